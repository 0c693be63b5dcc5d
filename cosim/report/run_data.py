"""A run as its report shows it: a result folder read back, or a run that is still in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from controllers import ActuatorChange
from cosim.accounting.quantiles import Quantiles
from cosim.errors import CosimError, ScenarioError
from cosim.loop.record import Run
from cosim.results.folder import actions_frame, pools_frame, scenario_text, steps_frame
from cosim.results.partial_folder import state_of_missing
from cosim.results.summary import Summary
from cosim.results.totals import ServingTotals
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

STEPS, REQUESTS, ACTIONS = "steps.parquet", "requests.parquet", "actions.parquet"
POOLS = "pools.parquet"
"""Steps by pool, of runs with several pools at a site."""
ParquetFile: TypeAlias = Path | pa.Buffer
"""A Parquet file: its path, or its bytes in memory."""

_TIMES = ("arrival_s", "scheduled_s", "first_token_s", "finish_s")


@dataclass(frozen=True, slots=True)
class RunData:
    """Content of a run: of its result folder, or of what would be written into one.

    Attributes:
        path: The folder; None for a run in memory.
        summary, manifest, scenario: The contents of these files.
        scenario_text: The scenario as it is written.
        steps: Columns of steps.parquet by site and name, shape (steps,).
        pools: Columns of pools.parquet by site, pool and name; empty for a site with one.
        actions: Changes of actuators, in order.
        tables: The Parquet files, by name.
    """

    path: Path | None
    summary: Summary
    manifest: Mapping[str, Any]
    scenario: Mapping[str, Any]
    scenario_text: str
    steps: Mapping[str, Mapping[str, FloatArray]]
    pools: Mapping[str, Mapping[str, Mapping[str, FloatArray]]]
    actions: Sequence[ActuatorChange]
    tables: Mapping[str, ParquetFile]

    @classmethod
    def load(cls, path: Path) -> RunData:
        """Read a folder.

        Raises:
            ScenarioError: If it is not a result folder.
            CosimError: If a file of it is damaged.
        """
        names = (STEPS, REQUESTS, ACTIONS, *((POOLS,) if (path / POOLS).is_file() else ()))
        return cls._of(
            path,
            read_summary(path),
            _read(path, MANIFEST, json.loads),
            _read(path, SCENARIO, str),
            scenario=_read(path, SCENARIO, _plain_yaml),
            tables={name: path / name for name in names},
        )

    @classmethod
    def of_run(
        cls, run: Run, summary: Summary, manifest: Mapping[str, Any], requests: pa.Buffer
    ) -> RunData:
        """Return the content of a run that has ended, with the values that its files would have.

        Args:
            run: The run.
            summary: Its summary.
            manifest: Its manifest.
            requests: The bytes of its requests.parquet.
        """
        text = scenario_text(run.plan)
        tables: dict[str, ParquetFile] = {
            STEPS: _encoded(steps_frame(run)),
            REQUESTS: requests,
            ACTIONS: _encoded(actions_frame(run)),
        }
        if any(record.pools for record in run.recorder.sites.values()):
            tables[POOLS] = _encoded(pools_frame(run))
        return cls._of(
            None,
            summary,
            manifest,
            text,
            scenario=_plain_yaml(text),
            tables=tables,
        )

    @classmethod
    def _of(
        cls,
        path: Path | None,
        summary: Summary,
        manifest: Mapping[str, Any],
        text: str,
        *,
        scenario: Mapping[str, Any],
        tables: Mapping[str, ParquetFile],
    ) -> RunData:
        steps = {site: StepColumns(tables[STEPS], site) for site in summary.sites}
        pools = {
            site: {
                name: StepColumns(tables[POOLS], site, name)
                for name in (totals.pools or () if isinstance(totals, ServingTotals) else ())
                if POOLS in tables
            }
            for site, totals in summary.sites.items()
        }
        actions = _actions(tables[ACTIONS])
        return cls(path, summary, manifest, scenario, text, steps, pools, actions, tables)

    def frame(self, name: str) -> pd.DataFrame:
        """Return a table as pandas reads it from the folder, such as ``steps.parquet``.

        Raises:
            CosimError: If the file is damaged.
        """
        file = self.tables[name]
        try:
            return pd.read_parquet(_readable(file))
        except (OSError, pa.ArrowException) as error:
            raise _damaged(file, error) from error

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
        requests = self.tables[REQUESTS]
        try:
            file = pq.ParquetFile(_readable(requests))
            yield from file.iter_batches(batch_size=1 << 17, columns=list(columns))
        except (OSError, pa.ArrowException) as error:
            raise _damaged(requests, error) from error


Latencies = dict[str, dict[str, dict[str, Quantiles]]]
"""By site, class and key of the latency."""


def read_summary(path: Path) -> Summary:
    """Return the summary of a result folder.

    Raises:
        ScenarioError: If it is not a result folder, or its summary is another file's.
    """
    if not path.exists():
        raise ScenarioError(f"'{path}' {state_of_missing(path)}; expected a result folder")
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


def _damaged(file: ParquetFile, error: Exception) -> CosimError:
    name = file if isinstance(file, Path) else "a table in memory"
    return CosimError(f"'{name}' cannot be read: {error}; run its scenario again")


def _encoded(frame: pd.DataFrame) -> pa.Buffer:
    """Return a table as the bytes of the Parquet file that the folder would hold."""
    return pa.py_buffer(frame.to_parquet(index=False))


def _readable(file: ParquetFile) -> Any:
    """Return a file as what pyarrow and pandas read from its beginning."""
    return pa.BufferReader(file) if isinstance(file, pa.Buffer) else file


def _parquet(file: ParquetFile, **selected: Any) -> pa.Table:
    try:
        return pq.read_table(_readable(file), **selected)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(file, error) from error


class StepColumns(Mapping[str, FloatArray]):
    """Columns of numbers of one site's steps, those that have a value.

    Each is read when it is first asked for: a year of several sites is large, and a report shows
    only a part.

    Args:
        file: The file.
        site: The site.
        pool: The pool, in a file of the steps of pools.

    Raises:
        CosimError: If the file is damaged; later too.
    """

    def __init__(self, file: ParquetFile, site: str, pool: str = "") -> None:
        self._file = file
        self._filters = [("site", "=", site), *([("pool", "=", pool)] if pool else [])]
        self._names = _numeric_columns(file)
        self._known: dict[str, FloatArray] = {}

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._known:
            if name not in self._names:
                raise KeyError(name)
            mine = _parquet(self._file, columns=[name], filters=self._filters)[name]
            if mine.null_count == len(mine):
                raise KeyError(name)
            self._known[name] = mine.to_numpy(zero_copy_only=False).astype(np.float64)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _numeric_columns(file: ParquetFile) -> list[str]:
    try:
        schema = pq.read_schema(_readable(file))
    except (OSError, pa.ArrowException) as error:
        raise _damaged(file, error) from error
    return [
        field.name
        for field in schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]


def _actions(file: ParquetFile) -> list[ActuatorChange]:
    try:
        return [ActuatorChange(**row) for row in _parquet(file).to_pylist()]
    except TypeError as error:  # other columns than ours
        raise _damaged(file, error) from error


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
