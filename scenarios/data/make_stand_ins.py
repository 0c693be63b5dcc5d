"""Writes the files beside it: stand-ins of our own for data that may not be redistributed.

    python scenarios/data/make_stand_ins.py

- ``stand_in_solar.csv``: clear-sky output of an array in San Francisco, fraction of its peak. The
  file was made with an earlier model of the clear sky; to renew it moves golden results.
- ``stand_in_carbon_intensity.csv``: the typical June day of 2022 in California (CISO).
- ``azure_sample.csv``: twenty minutes of synthetic requests with log-normal lengths, in the format
  of the Azure LLM inference traces; no request in it was recorded.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cosim.scenario.signals import ClearSkySolar, TypicalDayCarbon
from cosim.signals import Place, Window, carbon_series, solar_series

HERE = Path(__file__).parent
ROW_S, ROWS = 300, 312  # 26 h in 5 minutes


def main() -> None:
    start = datetime(2023, 6, 8, tzinfo=UTC)
    window = Window.of(start, ROWS * ROW_S)
    starts = pd.date_range(start, periods=ROWS, freq=f"{ROW_S}s")
    sky = ClearSkySolar(type="clear_sky", peak_power_w=1.0)
    solar = solar_series(sky, window, Place(37.77, -122.42))
    pd.DataFrame(
        {
            "period_end_utc": (starts + pd.Timedelta(seconds=ROW_S)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "pv_fraction": solar.step_means(start.timestamp(), ROW_S, ROWS).round(6),
        }
    ).to_csv(HERE / "stand_in_solar.csv", index=False)
    carbon = carbon_series(TypicalDayCarbon(type="typical_day", area="CISO"), window)
    pd.DataFrame(
        {
            "interval_start_utc": starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "g_per_kwh": carbon.step_means(start.timestamp(), ROW_S, ROWS).round(6),
        }
    ).to_csv(HERE / "stand_in_carbon_intensity.csv", index=False)

    rng = np.random.default_rng(42)
    times_s = np.cumsum(rng.exponential(1 / 2.5, 3000))
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(times_s, unit="s")
    pd.DataFrame(
        {
            "TIMESTAMP": stamps.strftime("%Y-%m-%d %H:%M:%S.%f") + "0",
            "ContextTokens": np.clip(rng.lognormal(6.6, 0.9, 3000), 3, 14000).astype(int),
            "GeneratedTokens": np.clip(rng.lognormal(5.0, 0.8, 3000), 2, 1000).astype(int),
        }
    ).to_csv(HERE / "azure_sample.csv", index=False)


if __name__ == "__main__":
    main()
