"""The files of ServeGen's clients: a folder of ``chunk-N-trace.csv`` and ``chunk-N-dataset.json``.

A line of the first is a window: its start [s], the rate [requests/s], the coefficient of variation
of the gaps, ``Gamma`` or ``Weibull`` (nothing where no request came), and two parameters that were
fitted, which rate and coefficient of variation replace. The second has the probability of each
length of prompts and outputs, by the start of the window [s].
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import TraceError
from inference_sim.workload.trace_servegen import Client, LengthTable, ServeGen

_TRACE = re.compile(r"chunk-(\d+)-trace\.csv")
_WINDOW_S = 600.0
_DISTRIBUTIONS = ("Gamma", "Weibull", "")
_SUM_TOLERANCE = 1e-3
_WEIBULL_SHAPES = np.geomspace(0.05, 1000.0, 4001)


def read_servegen(
    folder: Path, *, rate_scale: float = 1.0, begin_s: float = 0.0, seed: Sequence[int] = (0,)
) -> ServeGen:
    """Read the clients of a folder.

    Args:
        folder: The folder.
        rate_scale: Factor on the rate of every client.
        begin_s: Time of the recording at which the requests begin [s].
        seed: Numbers that make the seed.

    Raises:
        TraceError: If a file is missing, or is not as ServeGen writes it.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise TraceError(f"{folder}: cannot be read: {error.strerror or error}") from error
    numbers = sorted(int(match[1]) for name in names if (match := _TRACE.fullmatch(name)))
    if not numbers:
        raise TraceError(f"{folder}: holds no chunk-N-trace.csv, as a folder of ServeGen does")
    clients: list[Client] = []
    starts_s: FloatArray | None = None
    for number in numbers:
        path = folder / f"chunk-{number}-trace.csv"
        windows = _windows(path)
        if starts_s is None:
            starts_s = windows[0]
        elif not np.array_equal(starts_s, windows[0]):
            raise TraceError(f"{path}: has other windows than chunk-{numbers[0]}-trace.csv")
        clients.append(_client(folder, number, *windows))
    assert starts_s is not None  # noqa: S101 - there is a client
    width_s = starts_s[-1] - starts_s[-2] if len(starts_s) > 1 else _WINDOW_S
    edges_s = np.append(starts_s, starts_s[-1] + width_s)
    try:
        return ServeGen(clients, edges_s, rate_scale, begin_s, seed)
    except TraceError as error:
        raise TraceError(f"{folder}: {error}") from error


def weibull_shape(cv: FloatArray) -> FloatArray:
    """Return the shapes of Weibull distributions with some coefficients of variation.

    With shape k it is sqrt(G(1 + 2 / k) / G(1 + 1 / k)^2 - 1), where G is the gamma function.
    """
    logs = np.array([math.lgamma(1 + 2 / k) - 2 * math.lgamma(1 + 1 / k) for k in _WEIBULL_SHAPES])
    log_cvs = np.log(np.expm1(logs)) / 2  # falling
    shapes: FloatArray = np.exp(np.interp(np.log(cv), log_cvs[::-1], np.log(_WEIBULL_SHAPES)[::-1]))
    return shapes


def _windows(path: Path) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Return starts [s], rates [requests/s], coefficients of variation, and which are Weibull."""
    rows: list[tuple[float, float, float]] = []
    kinds: list[str] = []
    for line, fields in enumerate(csv.reader(_text(path).splitlines()), 1):
        if not fields:
            continue
        try:
            start_s, rate, cv = (float(field) for field in fields[:3])
            kind = fields[3].strip()
        except (ValueError, IndexError):
            raise TraceError(
                f"{path}:{line}: expected start, rate, cv, distribution and two parameters (got "
                f"{','.join(fields)[:80]!r})"
            ) from None
        if kind not in _DISTRIBUTIONS:
            raise TraceError(f"{path}:{line}: expected Gamma or Weibull (got {kind[:40]!r})")
        if not all(map(math.isfinite, (start_s, rate, cv))) or min(start_s, rate) < 0:
            raise TraceError(f"{path}:{line}: start and rate are numbers of 0 or more")
        if rate > 0 and not (kind and cv > 0):
            missing = "a cv above 0" if kind else "a distribution"
            raise TraceError(f"{path}:{line}: a rate of {rate:g} requests/s needs {missing}")
        if rows and start_s <= rows[-1][0]:
            raise TraceError(f"{path}:{line}: begins before the window above it ends")
        rows.append((start_s, rate, cv))
        kinds.append(kind)
    if not rows:
        raise TraceError(f"{path}: is empty")
    starts_s, rates, cvs = (np.array(column) for column in zip(*rows, strict=True))
    return starts_s, rates, cvs, np.array([kind == "Weibull" for kind in kinds])


def _client(
    folder: Path,
    number: int,
    starts_s: FloatArray,
    rates_per_s: FloatArray,
    cvs: FloatArray,
    is_weibull: NDArray[np.bool_],
) -> Client:
    path = folder / f"chunk-{number}-dataset.json"
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(key.isdecimal() for key in content):
        raise TraceError(f"{path}: expected an object of windows by their start in seconds")
    windows = sorted(content.items(), key=lambda item: int(item[0]))
    prompts = [_table(path, key, value, "input_tokens") for key, value in windows]
    outputs = [_table(path, key, value, "output_tokens") for key, value in windows]
    kept = [
        (float(key), prompt, output)
        for (key, _), prompt, output in zip(windows, prompts, outputs, strict=True)
    ]
    shapes = np.ones(len(cvs))
    sends = rates_per_s > 0
    shapes[sends] = np.where(is_weibull[sends], weibull_shape(cvs[sends]), cvs[sends] ** -2.0)
    client = Client(
        number,
        rates_per_s,
        shapes,
        is_weibull,
        np.array([start_s for start_s, _, _ in kept]),
        [prompt for _, prompt, _ in kept],
        [output for _, _, output in kept],
    )
    for start_s in starts_s[sends].tolist():
        if None in client.lengths(start_s):
            raise TraceError(
                f"{path}: has no lengths of {start_s:g} s, where requests are sent by "
                f"chunk-{number}-trace.csv"
            )
    return client


def _table(path: Path, window: str, lengths: Any, name: str) -> LengthTable | None:
    """Return the distribution of a length in a window; None if it is empty."""
    given = lengths.get(name) if isinstance(lengths, dict) else None
    if given is None:
        raise TraceError(f"{path}: window {window} lacks {name} (folders of images have others)")
    try:
        numbers = _numbers(given)
    except ValueError:
        numbers = np.full((1, 2), np.nan)
    if not len(numbers):
        return None
    tokens, shares = numbers[np.argsort(numbers[:, 0], kind="stable")].T
    total = float(shares.sum())
    good = (tokens >= 0) & (tokens == np.floor(tokens)) & (tokens < 2**31) & (shares >= 0)
    if not (good.all() and abs(total - 1) <= _SUM_TOLERANCE):
        raise TraceError(
            f"{path}: window {window}: {name} are not numbers of tokens with probabilities that "
            f"add up to 1 (got {str(given)[:60]!r})"
        )
    return LengthTable(tokens.astype(np.int64), np.cumsum(shares) / total)


def _numbers(given: Any) -> FloatArray:
    """Return lengths and probabilities, shape (n, 2): of an object, or as ``{40: 0.2, ...}``."""
    if isinstance(given, dict):
        pairs = [(float(tokens), float(share)) for tokens, share in given.items()]
        return np.array(pairs, dtype=np.float64).reshape(-1, 2)
    text = str(given).strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError("is not a mapping")
    words = text[1:-1].replace(":", ",").split(",")
    if words == [""]:
        return np.empty((0, 2))
    return np.array(words, dtype=np.float64).reshape(-1, 2)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: is not UTF-8 text: {error.reason}") from error
