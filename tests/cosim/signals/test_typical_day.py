from datetime import UTC, datetime
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from cosim.signals.typical_day import areas, typical_day_means, typical_day_series

TABLE = resources.files("cosim.signals") / "data" / "typical_days_2022.csv"


def test_all_areas_have_every_hour_of_every_month() -> None:
    assert areas() == ["BPAT", "CISO", "ERCO", "NYIS", "PJM"]
    for area in areas():
        assert np.isfinite(typical_day_means(area)).all()


def test_values_are_those_of_the_table() -> None:
    with TABLE.open() as file:
        for row in pd.read_csv(file, comment="#").itertuples():
            means = typical_day_means(row.balancing_area)
            assert means[row.month - 1, row.hour_utc] == row.mean_g_per_kwh


def test_june_in_california_dips_at_midday() -> None:
    june = typical_day_means("CISO")[5]
    assert june[15:21].mean() == pytest.approx(157, abs=3)
    assert june[3] == pytest.approx(286, abs=2)


def test_series_takes_month_and_hour_of_each_stamp() -> None:
    start_s = datetime(2024, 2, 28, 22, 30, tzinfo=UTC).timestamp()
    series = typical_day_series("PJM", start_s, start_s + 2 * 86400)
    assert series.starts_s[0] == start_s - 1800
    assert series.end_s == start_s + 2 * 86400 + 1800
    means = typical_day_means("PJM")
    for begin_s, value in zip(series.starts_s, series.values, strict=True):
        begin = datetime.fromtimestamp(begin_s, UTC)
        assert value == means[begin.month - 1, begin.hour]


def test_years_before_1970_have_months_too() -> None:
    start_s = datetime(1969, 12, 31, 23, tzinfo=UTC).timestamp()
    series = typical_day_series("ERCO", start_s, start_s + 7200)
    means = typical_day_means("ERCO")
    assert series.values.tolist() == [means[11, 23], means[0, 0]]


def test_unknown_area() -> None:
    with pytest.raises(KeyError):
        typical_day_means("MOON")
