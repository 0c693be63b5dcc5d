"""Power: known coefficients are found again, and what cannot tell them is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cosim.calibrate.power import NAMES, fit_power
from cosim.errors import CalibrationError
from tests.cosim.calibrate.builders import (
    ENGINE,
    H100,
    LLAMA,
    busy_w,
    deployments,
    measured_use,
    served,
    use_of_a_day,
    write,
)
from tests.samples import examples

TRUE = (85.0, 420.0, 510.0, 380.0)
USE = "power_w,mfu,bandwidth_utilisation"


def fitted(path: Path, **options: object) -> list[float]:
    found = fit_power(path, H100, ENGINE, **options)  # type: ignore[arg-type]
    return [found.coefficients[name] for name in NAMES]


# Known coefficients


def test_noisy_utilisation_gives_the_coefficients_within_2_percent(tmp_path: Path) -> None:
    path = measured_use(tmp_path / "t.csv", TRUE, rows=400, noise=0.01)
    assert fitted(path) == pytest.approx(TRUE, rel=0.02)


def test_noisy_batches_give_the_coefficients_within_2_percent(tmp_path: Path) -> None:
    """The simulator's own steady states, each measured nine times with an error of 1 %.

    The base is held, as GPUs that are always busy do not tell it; sampling takes a tenth of the
    time, so that the noise of a single measurement would hide it.
    """
    rows = deployments((2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96)) * 9
    path = served(tmp_path / "t.csv", rows, coefficients=TRUE, noise=0.01)
    assert fitted(path, keep={"base_w": TRUE[0]}) == pytest.approx(TRUE, rel=0.02)


@given(
    base=st.floats(20, 200),
    compute=st.floats(50, 900),
    memory=st.floats(50, 900),
    sampling=st.floats(50, 600),
)
@example(base=200.0, compute=900.0, memory=900.0, sampling=600.0)  # clipped where it is loaded
@settings(max_examples=examples(40))
def test_exact_telemetry_gives_the_exact_coefficients(
    base: float, compute: float, memory: float, sampling: float
) -> None:
    """Even where the board's limit clips many rows, as long as enough are below it."""
    true = (base, compute, memory, sampling)
    below = busy_w(H100, true, *use_of_a_day(60)) < 0.97 * H100.max_w
    assume(below.sum() >= 12)
    with tempfile.TemporaryDirectory() as folder:
        path = measured_use(Path(folder) / "t.csv", true, rows=60)
        assert fitted(path) == pytest.approx(true, rel=1e-6)


def test_exact_batches_give_the_exact_coefficients(tmp_path: Path) -> None:
    path = served(tmp_path / "t.csv", deployments((4, 16, 48, 96)), coefficients=TRUE)
    assert fitted(path, keep={"base_w": TRUE[0]}) == pytest.approx(TRUE, rel=1e-6)


def test_a_negative_coefficient_is_held_at_0(tmp_path: Path) -> None:
    use = use_of_a_day(40)
    power_w = 300 + 300 * use[1] - 100 * np.sqrt(use[0])
    path = write(tmp_path / "t.csv", USE, np.stack([power_w, *use[:2]], axis=1).tolist())
    found = fit_power(path, H100, ENGINE)
    assert found.coefficients["compute_w"] == 0
    assert any("compute_w is at its bound" in note for note in found.notes)


def test_errors_of_rows_left_out_are_larger_than_in_the_fit(tmp_path: Path) -> None:
    path = measured_use(tmp_path / "t.csv", TRUE, rows=12, noise=0.05)
    found = fit_power(path, H100, ENGINE)
    assert np.mean(found.held_out.errors**2) > np.mean(found.errors**2)
    assert found.held_out.how == "in 5 parts, each left out"
    again = fit_power(path, H100, ENGINE)
    assert np.array_equal(found.held_out.errors, again.held_out.errors)


def test_models_and_groups_are_left_out_whole(tmp_path: Path) -> None:
    path = measured_use(tmp_path / "t.csv", TRUE, rows=30)
    lines = path.read_text().splitlines()
    grouped = [f"{line},{'group' if i == 0 else 'abc'[i % 3]}" for i, line in enumerate(lines)]
    path.write_text("\n".join(grouped))
    assert fit_power(path, H100, ENGINE).held_out.how == "each group left out"


# Refused


GOOD = [[300 + 10 * i, 0.1 + 0.02 * (i * 7 % 11), 0.2 + 0.05 * i] for i in range(10)]


def changed(row: int, column: int, value: object) -> list[list[object]]:
    rows: list[list[object]] = [list(one) for one in GOOD]
    rows[row][column] = value
    return rows


def problems(path: Path, **options: object) -> str:
    with pytest.raises(CalibrationError) as error:
        fit_power(path, H100, ENGINE, **options)  # type: ignore[arg-type]
    assert error.value.exit_code == 2
    return str(error.value)


def test_the_good_rows_are_good(tmp_path: Path) -> None:
    assert len(fitted(write(tmp_path / "t.csv", USE, GOOD))) == 4


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[:5], "t.csv: too few rows: 4 coefficients need 8 rows or more (got 5)"),
        (changed(3, 1, 35), "t.csv:5 column 'mfu': expected a fraction from 0 to 1; divide"),
        (changed(3, 2, -0.1), "t.csv:5 column 'bandwidth_utilisation': expected a fraction"),
        (changed(0, 0, -300), "t.csv:2 column 'power_w': expected a number above 0 (got '-300')"),
        (changed(2, 0, "nan"), "t.csv:4 column 'power_w': expected a number (got 'nan')"),
        (changed(2, 0, "inf"), "t.csv:4 column 'power_w': expected a number (got 'inf')"),
        (changed(2, 0, ""), "t.csv:4 column 'power_w': the value is missing"),
        (changed(2, 0, "300 W"), "t.csv:4 column 'power_w': expected a number (got '300 W')"),
        (changed(9, 0, 3200), "t.csv:11 column 'power_w': more than a h100-sxm-80gb draws (700 W)"),
        (changed(9, 0, 0.32), "t.csv:11 column 'power_w': less than any GPU draws with a model"),
        ([[p, 0.2, b] for p, _, b in GOOD], "t.csv column 'mfu': no spread: all values lie"),
        ([[p, m, m * 2] for p, m, _ in GOOD], "compute_w, memory_w cannot be distinguished"),
        (changed(4, 1, "0") [:4] + [[100, 0, 0]] * 5, "the GPU did nothing: leave idle rows out"),
        ([[*GOOD[0], 1]], "t.csv:2: expected 3 fields, as in the header (got 4)"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, rows: list[list[object]], message: str) -> None:
    text = problems(write(tmp_path / "t.csv", USE, rows))
    assert message.removeprefix("t.csv") in text
    assert "t.csv" in text


def test_every_fault_is_told_at_once_and_like_ones_once(tmp_path: Path) -> None:
    rows = changed(1, 1, 35)
    rows[2][1] = 40
    rows[5][0] = 0
    rows[6][2] = "x"
    text = problems(write(tmp_path / "t.csv", USE, rows)).splitlines()
    assert len(text) == 3
    assert "t.csv:3 column 'mfu'" in text[0]
    assert "the first of 2 such rows" in text[0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("power_w,mfu,bandwith_utilisation", "did you mean 'bandwidth_utilisation'?"),
        ("watts,mfu,bandwidth_utilisation", "no column 'power_w' (the columns are watts, mfu"),
        ("power_w,mfu,mfu", "column 'mfu' is there more than once"),
        ("power_w,a,b", "the activity of the GPU is unknown"),
        ("power_w,mfu,b", "no column 'bandwidth_utilisation'"),
    ],
)
def test_refused_columns(tmp_path: Path, header: str, message: str) -> None:
    assert message in problems(write(tmp_path / "t.csv", header, GOOD))


SERVED = "batch,context_tokens,tokens_per_s,power_w"
BATCHES = [[b, 500, 100 * b, 400 + b] for b in (1, 2, 4, 8, 16, 20, 24, 28)]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (SERVED, [[8, 500, 800, 400]] * 9, "column 'batch': expected 3 different batches or more"),
        (SERVED, [*BATCHES[:7], [28, 500, 90000, 500]], "faster than the GPU can be"),
        (SERVED, [*BATCHES[:7], [28, 100000, 900, 500]], "more context than the KV cache holds"),
        (SERVED, [*BATCHES[:7], [28, 500, 1, 500]], "too slow to be meant"),
        (SERVED, [*BATCHES[:7], [0.5, 500, 90, 500]], "a mean number of running sequences"),
        (SERVED.replace("context_tokens", "x"), BATCHES, "no lengths: expected a column 'context"),
        (SERVED.replace("tokens_per_s", "x"), BATCHES, "no pace: expected a column 'tokens_per_s'"),
        (
            SERVED.replace("power_w", "power_w,itl_s"),
            [[*row, 10] for row in BATCHES],
            "column 'itl_s': does not belong to batch and tokens_per_s",
        ),
        (
            SERVED.replace("power_w", "power_w,tensor_parallel"),
            [[*row, 3] for row in BATCHES],
            "cannot be split over 3 GPUs",
        ),
        (SERVED, BATCHES, "cannot be distinguished"),  # one context, no prompts
    ],
)
def test_refused_batches(
    tmp_path: Path, header: str, rows: list[list[object]], message: str
) -> None:
    assert message in problems(write(tmp_path / "t.csv", header, rows), models=[LLAMA])


def test_the_model_must_be_known(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", SERVED, BATCHES)
    assert "add it, or name the model with --model" in problems(path)
    assert "--model: unknown model (got 'Llama-3.1')" in problems(path, models=["Llama-3.1"])
    named = write(tmp_path / "n.csv", f"{SERVED},model", [[*row, "x"] for row in BATCHES])
    assert "n.csv:2 column 'model': unknown model (got 'x')" in problems(named)
    assert f"no row of --model {LLAMA}" in problems(named, models=[LLAMA])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows"),
        (b"power_w,mfu\n", "has no rows"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        (b'power_w\n"1"2\n', "t.csv:2: not comma-separated"),
    ],
)
def test_no_table(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert message in problems(path)
    path.unlink()
    assert "cannot be read: No such file" in problems(path)
