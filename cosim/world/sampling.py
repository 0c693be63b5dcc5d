"""The signals of a site, as exact means over the steps of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cosim.errors import Problem, ScenarioError
from cosim.scenario.live import LiveCarbon
from cosim.scenario.loading import DataPath, Document, problem_at
from cosim.scenario.power import TemperaturePueKeys
from cosim.scenario.scenario import Scenario
from cosim.scenario.site import Site
from cosim.signals import (
    Place,
    Series,
    Window,
    carbon_series,
    load_series,
    price_series,
    solar_series,
    temperature_series,
)
from inference_sim.arrays import FloatArray

_PAST_S = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class SampledSignals:
    """The signals that the scenario gives a site, by their keys there.

    Attributes:
        start_s: Start of the run, in seconds since the Unix epoch.
        step_s: Length of a step [s].
        series: The signals in full.
        means: Their means over the steps of the run, shape (steps,).
        notes: Corrections to their data, such as filled gaps.
        problems: Faults of the signals that are missing.
    """

    start_s: float
    step_s: float
    series: Mapping[str, Series]
    means: Mapping[str, FloatArray]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    def past(self, key: str) -> FloatArray:
        """Return a signal's means over the steps before the run that it covers, up to 7 days."""
        series = self.series.get(key)
        if series is None:
            return np.empty(0)
        span_s = min(_PAST_S, self.start_s - float(series.starts_s[0]))
        steps = max(0, int(span_s // self.step_s))
        if not steps:
            return np.empty(0)
        return series.step_means(self.start_s - steps * self.step_s, self.step_s, steps)


def sample_signals(document: Document, scenario: Scenario, index: int) -> SampledSignals:
    """Read the signals of a site, and cut them into the steps of the run.

    Args:
        document: The file of the scenario, for the places of problems.
        scenario: The scenario.
        index: Position of the site in it.
    """
    time = scenario.time
    window = Window.of(time.start, time.horizon_s)
    series: dict[str, Series] = {}
    means: dict[str, FloatArray] = {}
    notes: list[str] = []
    problems: list[Problem] = []
    for where, config, make in _given(scenario.sites[index], (scenario.seed, index)):
        key = str(where[-1])
        try:
            series[key] = signal = make(config, window)
            notes += [f"{key} from {signal.source}: {note}" for note in signal.notes]
            means[key] = signal.step_means(window.start_s, time.step, time.steps)
        except (ScenarioError, ValueError) as error:
            problems += _placed(document, ("sites", index, *where), error)
    return SampledSignals(window.start_s, time.step, series, means, tuple(notes), tuple(problems))


def _given(
    site: Site, seed: tuple[int, ...]
) -> Iterator[tuple[DataPath, Any, Callable[[Any, Window], Series]]]:
    """Yield the signals of a site: their key, their configuration, and the maker of the series."""
    grid, pue = site.microgrid, site.cluster.pue if site.cluster else None
    place = Place(**site.location.model_dump()) if site.location else None
    outside = pue.outside if isinstance(pue, TemperaturePueKeys) else None
    # A live intensity is filled in while the run goes on.
    carbon = None if isinstance(grid.carbon_intensity, LiveCarbon) else grid.carbon_intensity
    signals: tuple[tuple[DataPath, Any, Callable[[Any, Window], Series]], ...] = (
        (("microgrid", "carbon_intensity"), carbon, carbon_series),
        (("microgrid", "marginal_carbon_intensity"), grid.marginal_carbon_intensity, carbon_series),
        (("microgrid", "solar"), grid.solar, partial(solar_series, place=place, seed=seed)),
        (("load",), site.load, load_series),
        (("microgrid", "price"), grid.price, price_series),
        (("cluster", "pue", "outside"), outside, temperature_series),
    )
    yield from (signal for signal in signals if signal[1] is not None)


def _placed(document: Document, place: DataPath, error: Exception) -> list[Problem]:
    messages = error.problems if isinstance(error, ScenarioError) else [error]
    return [problem_at(document, place, str(message)) for message in messages]
