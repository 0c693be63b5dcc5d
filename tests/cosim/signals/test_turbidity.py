import gzip
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from calibration.turbidity import HEADER, month_rows
from cosim.signals.turbidity import TABLE, linke_turbidity, monthly_turbidity


def test_the_table_is_what_its_script_makes() -> None:
    text = gzip.decompress(TABLE.read_bytes()).decode()
    assert text.startswith(HEADER)
    rows = text.removeprefix(HEADER).splitlines()
    assert rows[5 * 91 : 6 * 91] == month_rows(5)  # June


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(37.87, -122.27), (59.33, 18.07), (-33.87, 151.21), (-0.18, -78.47), (28.6, 77.2)],
)
def test_it_is_near_the_whole_map(latitude: float, longitude: float) -> None:
    """99 % of the map are within 0.49 of the table; Quito lies among mountains."""
    from pvlib.clearsky import lookup_linke_turbidity

    days = np.array([datetime(2023, month, 15, 12).timestamp() for month in range(1, 13)])
    with pytest.warns(DeprecationWarning, match="dayofyear"):
        whole = lookup_linke_turbidity(
            pd.to_datetime(days, unit="s", utc=True), latitude, longitude
        ).to_numpy()
    assert linke_turbidity(days, latitude, longitude) == pytest.approx(whole, abs=0.49)


def test_it_is_continuous_around_the_earth_and_the_year() -> None:
    west, east = (monthly_turbidity(10, longitude) for longitude in (-180, 180))
    assert west == pytest.approx(east)
    assert monthly_turbidity(10, 179.999) == pytest.approx(east, abs=1e-3)
    new_year = np.array([datetime.fromisoformat("2024-01-01T00:00Z").timestamp()])
    before, after = (linke_turbidity(new_year + shift, 50, 8)[0] for shift in (-60, 60))
    assert before == pytest.approx(after, abs=1e-2)


@pytest.mark.parametrize("latitude", [-90, 90])
def test_the_poles_have_a_value(latitude: float) -> None:
    months = monthly_turbidity(latitude, 0)
    assert months.shape == (12,)
    assert (months > 0.5).all()
