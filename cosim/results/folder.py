"""The content of a result folder: steps, actions, summary, the resolved scenario, the manifest."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, get_type_hints

import numpy as np
import pandas as pd
from pydantic import BaseModel

import cosim
from controllers import ACTUATORS, ActuatorChange, names_a_file
from cosim.loop.record import CLIENT_COLUMNS, Run, SiteRecord
from cosim.results.code import LIBRARIES
from cosim.results.result_folder import MANIFEST
from cosim.results.summary import Summary, WallTime
from cosim.results.vessim_record import write_vessim_record
from cosim.scenario.fields import FILE_ENDINGS
from cosim.scenario.given_controller import given_controllers
from cosim.scenario.loading import Document
from cosim.scenario.parts import part_file
from cosim.scenario.scenario import Scenario
from cosim.scenario.solar import PvlibSolar
from cosim.world.plan import Plan
from inference_sim import is_compiled
from inference_sim.files.yaml_text import write_yaml
from inference_sim.telemetry import COUNTS, PoolTelemetry

FROM_PYTHON = "controllers_from_python"
"""Key of the manifest for controllers that Python gave."""
_POOL = r"\.cluster(\.pools\.\d+)?"
_NAMED = re.compile(rf"{_POOL}\.(model|gpu|execution\.engine)$")  # by name, or by a file
_PARTS = re.compile(rf"{_POOL}\.(scheduler\.type|router)$")  # by name, or as ./file.py:Class


class HasScenario(Protocol):
    """A scenario with the document that it was read from, such as a plan."""

    @property
    def scenario(self) -> Scenario:
        """The scenario."""

    @property
    def document(self) -> Document:
        """The document."""


def write_results(folder: Path, run: Run, summary: Summary, manifest: Mapping[str, Any]) -> None:
    """Write everything but the requests, the marks of failure and the page into a folder.

    A file that cannot be written does not cost those after it; the small ones come first.

    Raises:
        OSError: If something cannot be written.
    """
    resolved = scenario_text(run.plan)
    writers: tuple[Callable[[], object], ...] = (
        lambda: _write_json(folder / "summary.json", summary.to_dict()),
        lambda: (folder / "scenario.resolved.yaml").write_text(resolved, encoding="utf-8"),
        lambda: _write_json(folder / MANIFEST, manifest),
        lambda: actions_frame(run).to_parquet(folder / "actions.parquet", index=False),
        lambda: steps_frame(run).to_parquet(folder / "steps.parquet", index=False),
        lambda: write_vessim_record(folder, run, summary),
    )
    if any(record.pools for record in run.recorder.sites.values()):
        writers += (lambda: pools_frame(run).to_parquet(folder / "pools.parquet", index=False),)
    faults: list[OSError] = []
    for write in writers:
        try:
            write()
        except OSError as error:
            faults.append(error)
    if faults:
        raise faults[0]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(to_json(content) + "\n", encoding="utf-8")


def to_json(content: Mapping[str, Any]) -> str:
    """Return `content` as indented JSON; NaN, which JSON does not know, is an error."""
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)


def steps_frame(run: Run) -> pd.DataFrame:
    """Return a row per step and site."""
    frames = [_site_frame(run.plan, record) for record in run.recorder.sites.values()]
    if run.live is not None and run.live.feeds:
        for frame, name in zip(frames, run.recorder.sites, strict=True):
            feed, steps = run.live.feeds.get(name), len(frame)
            frame["carbon_intensity_age_s"] = np.nan if feed is None else feed.age_s[:steps]
            frame["carbon_intensity_stale"] = False if feed is None else feed.stale[:steps]
    return pd.concat(frames, ignore_index=True)


def _site_frame(plan: Plan, record: SiteRecord) -> pd.DataFrame:
    step_s = plan.scenario.time.step_s
    frame = pd.DataFrame({name: record.column(name) for name in record.names})
    whole = {
        *COUNTS,
        *CLIENT_COLUMNS,
        *(actuator.field for actuator in ACTUATORS.values() if actuator.integral),
    }
    counts = {name: "int64" for name in record.names if name in whole}
    frame = frame.astype(counts)
    frame.insert(0, "site", record.site.name)
    frame.insert(1, "step", range(len(record)))
    frame.insert(2, "time_s", frame["step"] * step_s)
    start = pd.Timestamp(plan.scenario.time.start)
    frame.insert(3, "time", start + pd.to_timedelta(frame["time_s"], unit="s"))
    return frame


def pools_frame(run: Run) -> pd.DataFrame:
    """Return a row per step, site and pool, of sites with several pools."""
    frames = []
    for record in run.recorder.sites.values():
        when = _site_frame(run.plan, record)[["site", "step", "time_s", "time"]]
        for name, pool in record.pools.items():
            frame = pd.concat([when, pd.DataFrame(pool.columns)], axis="columns")
            frame.insert(1, "pool", name)
            frames.append(frame)
    whole = [actuator.field for actuator in ACTUATORS.values() if actuator.integral]
    counts = [name for name, kind in get_type_hints(PoolTelemetry).items() if kind is int]
    frame = pd.concat(frames, ignore_index=True)
    return frame.astype({name: "int64" for name in (*whole, *counts) if name in frame})


_DTYPES: Mapping[type, str] = {int: "int64", str: "string"}


def actions_frame(run: Run) -> pd.DataFrame:
    """Return every change of an actuator, with the observation that led to it."""
    types = get_type_hints(ActuatorChange)
    frame = pd.DataFrame([asdict(change) for change in run.host.changes], columns=list(types))
    return frame.astype({name: _DTYPES.get(kind, "float64") for name, kind in types.items()})


def resolved_scenario(plan: HasScenario) -> dict[str, Any]:
    """Return the scenario with every default written out; it can be run again as it is."""
    resolved: dict[str, Any] = plan.scenario.model_dump(mode="json", exclude_none=True)
    for index, entry in enumerate(resolved["controllers"]):
        if (file := _controller_file(plan, index)) is not None:
            entry["type"] = f"{file}:{entry['type'].rpartition(':')[2]}"
    return resolved


def scenario_text(plan: HasScenario) -> str:
    """Return the content of scenario.resolved.yaml."""
    text = write_yaml(resolved_scenario(plan))
    if given := given_controllers(plan.document.data):
        places = ", ".join(f"{index} ({name})" for index, name in given.items())
        text = (
            f"# Controllers that Python gave, and a file cannot name: {places}.\n"
            f"# This file alone cannot repeat the run; {MANIFEST} says what they were.\n{text}"
        )
    return text


def _controller_file(plan: HasScenario, index: int) -> Path | None:
    """Return the file of a user's own controller; None for a built-in one."""
    written = plan.document.data["controllers"][index]["type"]
    file, _, _ = str(written).rpartition(":")
    if not file:
        return None
    return Path(os.path.normpath(written.base_dir / Path(file).expanduser()))


def input_files(plan: HasScenario) -> dict[str, Path]:
    """Return the files that the run reads, by their place in the scenario."""
    files: dict[str, Path] = {}

    def walk(value: Any, place: str) -> None:
        if isinstance(value, Path):
            files[place] = value
        elif _NAMED.search(place) and str(value).endswith(FILE_ENDINGS):
            files[place] = Path(value)
        elif _PARTS.search(place) and names_a_file(value):
            files[place] = Path(part_file(value))
        elif isinstance(value, BaseModel):
            for name in type(value).model_fields:
                walk(getattr(value, name), f"{place}.{name}".lstrip("."))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, f"{place}.{index}")

    walk(plan.scenario, "")
    for index in range(len(plan.scenario.controllers)):
        if (file := _controller_file(plan, index)) is not None:
            files[f"controllers.{index}.type"] = file
    return files


def _extras(plan: Plan) -> tuple[str, ...]:
    """Return the optional libraries that the figures of a run depend on."""
    solar = [site.config.microgrid.solar for site in plan.sites]
    return ("pvlib",) if any(isinstance(config, PvlibSolar) for config in solar) else ()


def versions(plan: Plan) -> dict[str, str]:
    """Return the versions that the figures of a run depend on."""
    libraries = {name: version(name) for name in (*LIBRARIES, *_extras(plan))}
    return {"cosim": cosim.__version__, "Python": platform.python_version()} | libraries


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; it is read again when its size or time has changed.

    That of a folder is of the names and hashes of the files that stand in it.
    """
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file())
        listed = "\n".join(f"{each.name} {file_hash(each)}" for each in files)
        return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()
    status = path.stat()
    return _hash_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=10_000)
def _hash_of(path: Path, size: int, modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scenario_hash(plan: HasScenario, hashes: Mapping[str, str]) -> str:
    """Return a hash of the scenario with the contents of its files, wherever they stand."""
    resolved = plan.scenario.model_dump(mode="json", exclude_none=True)
    for place, digest in hashes.items():
        target: Any = resolved
        *parents, last = place.split(".")
        for key in parents:
            target = target[int(key)] if isinstance(target, list) else target[key]
        of_code = last in ("type", "router")  # ./file.py:Class
        name = str(target[last]).rpartition(":")[2] if of_code else ""
        target[last] = f"{digest}:{name}" if name else digest
    for index, given in given_controllers(plan.document.data).items():
        resolved["controllers"][index]["type"] = f"{given.origin.fingerprint}:{given}"
    text = json.dumps(resolved, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make_manifest(plan: Plan, hashes: Mapping[str, str], wall: WallTime) -> dict[str, Any]:
    """Return the data to reproduce the results: versions, seed, inputs.

    Controllers that Python gave are there too, which the scenario alone cannot repeat.
    """
    given = given_controllers(plan.document.data)
    from_python = [{"entry": index, **part.origin.to_dict()} for index, part in given.items()]
    return {
        "cosim": cosim.__version__,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in (*LIBRARIES, *_extras(plan))},
        "compiled": is_compiled(),
        "seed": plan.scenario.seed,
        "inputs": {
            place: {"path": str(path), "sha256": hashes[place]}
            for place, path in input_files(plan).items()
        },
        "signal_notes": {site.name: list(site.signal_notes) for site in plan.sites},
        "wall": asdict(wall),
    } | ({FROM_PYTHON: from_python} if from_python else {})
