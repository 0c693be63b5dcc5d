"""Files that were read wrongly or not at all: each gives its right value, or a clear error.

They lie beside the project and are skipped where they do not. The formats' own examples hold the
same behaviour without them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.data_sets.signals.summary import SignalSummary, of_file
from cosim.errors import SignalError
from tests.cosim.builders import REPOSITORY

CASES = REPOSITORY.parent / "shared" / "cases" / "signals"
POUND = 0.45359237


def case(name: str, **keys: Any) -> SignalSummary:
    path = CASES / name
    if not path.is_file():
        pytest.skip(f"the file ../shared/cases/signals/{name} is not here")
    return of_file(path, **keys)


@pytest.mark.parametrize(
    ("name", "keys", "mean", "hours", "note"),
    [
        ("eia_2025_typo.csv", {}, (1000 * 502 + 600 * 41 + 50 * 38) / 2650, 24, ""),
        ("eia_2025_typo_fixed.csv", {}, (1000 * 502 + 600 * 41 + 50 * 38) / 2650, 24, ""),
        ("eia_adj_blank.csv", {}, (490 + 820) / 2, 24, "'coal' in 24 of 24 rows"),
        (
            "eia_geo_starts.csv",
            {},
            ((490 + 12) / 2 + (490 + 12 + 38 / 2) / 2.5) / 2,
            24,
            "taken for 0: 'geothermal' in 12 of 24 rows",
        ),
        ("eia_api.csv", {}, (490 + 12) / 2, 6, ""),
        ("eia_hour_only.csv", {"timezone": "UTC"}, 302.5, 6, ""),
        ("em_api.json", {}, 302.5, 6, ""),
        (
            "em_monthly.csv",
            {},
            np.average(
                np.arange(301, 313), weights=[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            ),
            366 * 24,
            "calendar month",
        ),
        ("em_yearly.csv", {}, 344, 366 * 24, "the year 2024"),
        ("ent_resolution.csv", {}, (490 + 12) / 2, 5, "rows of 1:00:00, from 2025-10-25T22:00:00Z"),
        ("ent_sftp.csv", {}, 490, 5, ""),
        ("gridstatus.csv", {}, (490 + 12) / 2, 6, ""),
        ("neso_regional.json", {}, 102.5, 3, "a region is a forecast"),
        ("wt_fc_hist.json", {}, 905.5 * POUND, 2, ""),
        ("price_entsoe.csv", {}, 0, 6, ""),
        (
            "ninja.csv",
            {"timezone": "UTC", "column": "electricity", "csv_keys": {"comment": "#"}},
            0.25,
            6,
            "",
        ),
        ("comma_thousands.csv", {"csv_keys": {"thousands": ","}}, 1003, 6, ""),
    ],
)
def test_read(name: str, keys: dict[str, Any], mean: float, hours: float, note: str) -> None:
    found = case(name, **keys)
    assert found.figures["mean"] == pytest.approx(mean, rel=1e-6, abs=1e-12)
    assert found.span_s == hours * 3600
    assert note in "; ".join(found.series.notes)
    assert bool(found.series.notes) == bool(note)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "comma_thousands.csv",
            "expected a number; 'decimal' and 'thousands' say how the numbers of the file are "
            "written (got '1,000.5'; the first of 6 such rows)",
        ),
        (
            "ninja.csv",
            "read it with type: csv, comment: \"#\", column: 'electricity', timezone: UTC (or "
            "another)",
        ),
        ("eia_hour_only.csv", "the stamp has no time zone; give it one, or set 'timezone'"),
    ],
)
def test_one_error_says_which_key_helps(name: str, message: str) -> None:
    with pytest.raises(SignalError) as caught:
        case(name)
    [problem] = caught.value.problems
    assert message in problem.message


def test_every_case_has_its_test() -> None:
    if not CASES.is_dir():
        pytest.skip("the folder ../shared/cases/signals is not here")
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in CASES.iterdir() if f'"{path.name}"' not in source] == []
