"""A result folder read back, as much of it as its report shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from controllers import ActuatorChange
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

_TIMES = ("arrival_s", "scheduled_s", "first_token_s", "finish_s")


@dataclass(frozen=True, slots=True)
class RunData:
    """Content of a result folder.

    Attributes:
        path: The folder.
        summary, manifest, scenario: The contents of these files.
        scenario_text: The scenario as it is written.
        steps: Columns of steps.parquet by site and name, shape (steps,).
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
            steps={site: StepColumns(path / "steps.parquet", site) for site in summary.sites},
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
        for batch in self.requests(["site", "class", "outcome", "output_tokens", *_TIMES]):
            _add(by_site, batch)
        return by_site

    def requests(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the requests, many at a time.

        Raises:
            CosimError: If their file is damaged.
        """
        path = self.path / "requests.parquet"
        try:
            file = pq.ParquetFile(path)
            yield from file.iter_batches(batch_size=1 << 17, columns=list(columns))
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error


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


class StepColumns(Mapping[str, FloatArray]):
    """Columns of numbers of one site's steps, those that have a value.

    Each is read when it is first asked for: a year of several sites is large, and a report shows
    only a part.

    Args:
        path: The file.
        site: The site.

    Raises:
        CosimError: If the file is damaged; later too.
    """

    def __init__(self, path: Path, site: str) -> None:
        self._path, self._site = path, site
        self._names = _numeric_columns(path)
        self._known: dict[str, FloatArray] = {}

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._known:
            if name not in self._names:
                raise KeyError(name)
            mine = _parquet(self._path, columns=[name], filters=[("site", "=", self._site)])[name]
            if mine.null_count == len(mine):
                raise KeyError(name)
            self._known[name] = mine.to_numpy(zero_copy_only=False).astype(np.float64)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _numeric_columns(path: Path) -> list[str]:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    return [
        field.name
        for field in schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]


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
