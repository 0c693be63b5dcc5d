"""A result folder read back, as much of it as its report shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from controllers import ACTUATORS, ActuatorChange
from cosim.accounting.quantiles import Quantiles
from cosim.errors import CosimError, ScenarioError
from cosim.results.summary import Summary
from inference_sim.arrays import FloatArray
from inference_sim.files.yaml_text import parse_yaml

SUMMARY, MANIFEST, SCENARIO = "summary.json", "manifest.json", "scenario.resolved.yaml"
LATENCIES = {
    "ttft": ("time to first token", "arrival_s", "first_token_s"),
    "tpot": ("time per output token", "first_token_s", "finish_s"),
    "e2e": ("whole request", "arrival_s", "finish_s"),
    "queue": ("queueing delay", "arrival_s", "scheduled_s"),
}
"""Latencies by key: their name, and the two columns of requests.parquet that they lie between."""

SHOWN = (
    *("time_s", "facility_power_w", "solar_w", "battery_power_w", "import_w", "export_w"),
    *("battery_soc", "carbon_intensity_g_per_kwh", "price_per_kwh", "gateway_waiting"),
    *("deferrable_waiting", "replica_waiting", "running", "batch_mean", "ttft_p99_s"),
    "tpot_p99_s",
    *(actuator.field for actuator in ACTUATORS.values()),
)
"""Columns of steps.parquet that reports show."""

_TIMES = ("arrival_s", "scheduled_s", "first_token_s", "finish_s")


@dataclass(frozen=True, slots=True)
class RunData:
    """Content of a result folder.

    Attributes:
        path: The folder.
        summary, manifest, scenario: The contents of these files.
        scenario_text: The scenario as it is written.
        steps: Columns of steps.parquet by site and name, shape (steps,): those of `SHOWN` that
            have a value.
        actions: Changes of actuators, in order.
    """

    path: Path
    summary: Summary
    manifest: Mapping[str, Any]
    scenario: Mapping[str, Any]
    scenario_text: str
    steps: Mapping[str, Mapping[str, FloatArray]]
    actions: Sequence[ActuatorChange]

    @classmethod
    def load(cls, path: Path) -> RunData:
        """Read a folder.

        Raises:
            ScenarioError: If it is not a result folder.
            CosimError: If a file of it is damaged.
        """
        summary, manifest = read_summary(path), _read(path, MANIFEST, json.loads)
        text = _read(path, SCENARIO, str)
        return cls(
            path=path,
            summary=summary,
            manifest=manifest,
            scenario=_read(path, SCENARIO, _plain_yaml),
            scenario_text=text,
            steps=_steps(path, summary.sites),
            actions=_actions(path / "actions.parquet"),
        )

    @property
    def start(self) -> datetime:
        """Start of the run, UTC."""
        return datetime.fromisoformat(self.summary.time.start)

    @property
    def step_s(self) -> float:
        """Length of a step [s]."""
        return float(self.summary.time.step_s)

    @property
    def duration_s(self) -> float:
        """Time simulated [s]."""
        return float(self.summary.time.duration_s)

    def latencies(self) -> Latencies:
        """Return the latencies of completed requests, of every class."""
        by_site: Latencies = {}
        names = ["site", "class", "outcome", "output_tokens", *_TIMES]
        path = self.path / "requests.parquet"
        try:
            file = pq.ParquetFile(path)
            for batch in file.iter_batches(batch_size=1 << 17, columns=names):
                _add(by_site, batch)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error
        return by_site


Latencies = dict[str, dict[str, dict[str, Quantiles]]]
"""By site, class and key of the latency."""


def read_summary(path: Path) -> Summary:
    """Return the summary of a result folder.

    Raises:
        ScenarioError: If it is not a result folder, or its summary is another file's.
    """
    if not (path / SUMMARY).is_file():
        raise ScenarioError(
            f"'{path}' is not a result folder: it has no {SUMMARY}; expected a folder written by "
            "cosim run"
        )
    content = _read(path, SUMMARY, json.loads)
    if not isinstance(content, dict):
        raise ScenarioError(f"'{path / SUMMARY}' is not the summary of a run")
    try:
        return Summary.from_dict(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(
            str(key) for key in first["loc"] if key not in ("totals", "serving", "load")
        )
        raise ScenarioError(
            f"'{path / SUMMARY}' is not the summary of a run by this version of cosim: "
            f"{place}: {first['msg']}"
        ) from error


def _read(path: Path, name: str, parse: Any) -> Any:
    try:
        return parse((path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path / name, error) from error


def _plain_yaml(text: str) -> Any:
    return parse_yaml(text, lambda line, column: f"line {line}, column {column}").plain()


def _damaged(path: Path, error: Exception) -> CosimError:
    return CosimError(f"'{path}' cannot be read: {error}; run its scenario again")


def _parquet(path: Path, **selected: Any) -> pa.Table:
    try:
        return pq.read_table(path, **selected)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def _steps(folder: Path, sites: Iterable[str]) -> dict[str, dict[str, FloatArray]]:
    path = folder / "steps.parquet"
    names = _column_names(path)
    columns = [name for name in SHOWN if name in names]
    by_site: dict[str, dict[str, FloatArray]] = {}
    for site in sites:  # one after the other: a year of several is large
        mine = _parquet(path, columns=columns, filters=[("site", "=", site)])
        by_site[site] = {
            name: mine[name].to_numpy(zero_copy_only=False).astype(np.float64)
            for name in columns
            if mine[name].null_count < len(mine)
        }
    return by_site


def _column_names(path: Path) -> list[str]:
    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    return names


def _actions(path: Path) -> list[ActuatorChange]:
    try:
        return [ActuatorChange(**row) for row in _parquet(path).to_pylist()]
    except TypeError as error:  # other columns than ours
        raise _damaged(path, error) from error


def _add(latencies: Latencies, batch: pa.RecordBatch) -> None:
    """Add the latencies of some requests."""
    done = batch.filter(pc.equal(batch["outcome"], "completed"))
    site, of_class = (_codes(done[name]) for name in ("site", "class"))
    times = {name: done[name].to_numpy(zero_copy_only=False) for name in _TIMES}
    gaps = done["output_tokens"].to_numpy(zero_copy_only=False) - 1.0
    for s, site_name in enumerate(site[1]):
        for c, class_name in enumerate(of_class[1]):
            chosen = (site[0] == s) & (of_class[0] == c)
            if not chosen.any():
                continue
            mine = latencies.setdefault(site_name, {}).setdefault(
                class_name, {key: Quantiles() for key in LATENCIES}
            )
            for key, (_, begin, end) in LATENCIES.items():
                values = times[end][chosen] - times[begin][chosen]
                if key == "tpot":  # a single token has none
                    several = gaps[chosen] > 0
                    values = values[several] / gaps[chosen][several]
                mine[key].add(values)


def _codes(column: Any) -> tuple[Any, list[str]]:
    """Return a column of text as codes and their meanings."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
