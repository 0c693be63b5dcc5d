"""Scenarios as values: loaded, checked, and changed into others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, final

from controllers import Controller, FleetController
from cosim.accounting.words import duration
from cosim.errors import ScenarioError
from cosim.results.folder import resolved_scenario, scenario_text
from cosim.scenario.loading import ScenarioTree, document_of, read_tree, with_settings
from cosim.scenario.python_data import settings_of, tree_of
from cosim.world.plan import Plan, plan_document
from cosim.world.site_plan import SitePlan

ControllerSpec: TypeAlias = (
    str
    | type[Controller]
    | type[FleetController]
    | Controller
    | FleetController
    | Mapping[str, object]
)
"""A controller: its name or ``./file.py:Class``, a class, an object, or an entry as in a file."""


@final
class Scenario:
    """A scenario that has been read and checked; it never changes.

    ``cosim.load`` makes one::

        scenario = cosim.load("scenario.yaml", set={"time.duration": "1d"})
        other = scenario.with_(set={"sites.0.cluster.replicas": 4})
    """

    __slots__ = ("_plan", "_tree")

    def __init__(self, tree: ScenarioTree) -> None:
        self._tree = tree
        self._plan = plan_document(document_of(tree.root, tree.base_dir))

    @property
    def name(self) -> str:
        """Its name."""
        return self._plan.scenario.name

    @property
    def description(self) -> str:
        """Its description; empty if it has none."""
        return self._plan.scenario.description

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return self._plan.scenario.seed

    @property
    def start(self) -> datetime:
        """Start of its run, UTC."""
        return self._plan.scenario.time.start

    @property
    def duration_s(self) -> float:
        """Length of its run [s]; the longest possible where it ends with the last request."""
        return self._plan.scenario.time.horizon_s

    @property
    def step_s(self) -> int:
        """Length of a step [s]."""
        return self._plan.scenario.time.step_s

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of its sites."""
        return tuple(site.name for site in self._plan.sites)

    @property
    def controllers(self) -> tuple[str, ...]:
        """Types of its controllers, in the order in which they are asked."""
        return tuple(str(entry["type"]) for entry in self._plan.scenario.controllers)

    def with_(
        self,
        *,
        set: Mapping[str, object] | None = None,
        controllers: Sequence[ControllerSpec] | None = None,
        seed: int | None = None,
    ) -> Scenario:
        """Return the scenario with some values changed.

        Args:
            set: Values by their paths, such as ``{"sites.0.cluster.replicas": 4}``; a later one
                goes over an earlier one.
            controllers: Controllers in place of its own; an empty list for none.
            seed: A seed in place of its own.

        Raises:
            ScenarioError: With every problem that could be found.
        """
        values: dict[str, Any] = dict(set or {})
        if controllers is not None:
            values["controllers"] = controllers
        if seed is not None:
            values["seed"] = seed
        return Scenario(with_settings(self._tree, settings_of(values)))

    def to_dict(self) -> dict[str, Any]:
        """Return its content with every default written out, for JSON or ``cosim.load``.

        Controllers that were given as classes or objects stand there by the names of their classes
        alone.
        """
        return resolved_scenario(self._plan)

    def to_yaml(self) -> str:
        """Return the same as the text of a file."""
        return scenario_text(self._plan)

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {text}" for name, text in self._facts() if name != "name")
        return f"<cosim.Scenario '{self.name}': {facts}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
            for name, text in self._facts()
        )
        return f"<table>{rows}</table>"

    def _facts(self) -> list[tuple[str, str]]:
        sites = "; ".join(_site(site) for site in self._plan.sites)
        return [
            ("name", self.name),
            ("time", f"{duration(self.duration_s)} from {self.start:%Y-%m-%d %H:%M} UTC"),
            ("steps", f"of {duration(self.step_s)}"),
            ("sites", sites),
            ("controllers", ", ".join(self.controllers) or "none"),
            ("seed", str(self.seed)),
        ]


ScenarioSource: TypeAlias = Scenario | str | PathLike[str] | Mapping[str, object]
"""A scenario: loaded, the path of its file, or its content."""


def _site(site: SitePlan) -> str:
    """Return a site in a few words."""
    if site.cluster is None:
        return f"{site.name} (a load)"
    pools = ", ".join(
        f"{pool.model.name} on {pool.gpus} x {pool.gpu.name}" for pool in site.cluster.pools
    )
    return f"{site.name} ({pools})"


def load(
    source: ScenarioSource,
    *,
    set: Mapping[str, object] | None = None,
    seed: int | None = None,
) -> Scenario:
    """Return a scenario, read and checked.

    Args:
        source: The path of its file; or its content as a mapping, whose relative paths start from
            the current folder.
        set: Values that replace those of the source, by their paths, such as
            ``{"time.duration": "1d", "sites.0.cluster.replicas": 4}``.
        seed: A seed in place of the source's.

    Raises:
        ScenarioError: With every problem that could be found, each with its place in the file.
    """
    if isinstance(source, str) and "\n" in source:
        raise ScenarioError("a text is the path of a file: give the content of one as a mapping")
    if isinstance(source, Scenario):
        return source.with_(set=set, seed=seed) if set or seed is not None else source
    tree = tree_of(source) if isinstance(source, Mapping) else read_tree(Path(source))
    values = dict(set or {}) | ({} if seed is None else {"seed": seed})
    return Scenario(with_settings(tree, settings_of(values)))


def plan_of(scenario: Scenario) -> Plan:
    """Return a plan of a run of a scenario, with controllers of its own."""
    tree = scenario._tree
    return plan_document(document_of(tree.root, tree.base_dir))


def tree_of_scenario(scenario: Scenario) -> ScenarioTree:
    """Return what a scenario was read into."""
    return scenario._tree
