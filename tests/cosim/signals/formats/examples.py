"""Small files with the real headers of each source, and what they must be read as."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cosim.signals.formats import ReadOptions

POUND = 0.45359237


@dataclass(frozen=True)
class Example:
    """A file and its series.

    Attributes:
        format: Name of the format.
        text: Content.
        first: Start of the first interval, in UTC.
        step_s: Length of an interval [s].
        values: Values in the unit of the format.
        kind: Kind of a carbon intensity.
        options: What else the user says.
    """

    format: str
    text: str
    first: str
    step_s: float
    values: list[float]
    kind: str | None = None
    options: ReadOptions = field(default_factory=ReadOptions)

    @property
    def first_s(self) -> float:
        return datetime.fromisoformat(self.first).replace(tzinfo=UTC).timestamp()


MAPS_2025 = """\
Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),\
Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),\
Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method
2024-03-31 00:00:00,Germany,Germany,DE,301.22,343.71,55.1,55.1,entsoe.eu,false,
2024-03-31 01:00:00,Germany,Germany,DE,298.01,340.08,55.6,55.6,entsoe.eu,false,
2024-03-31 02:00:00,Germany,Germany,DE,295.5,337.6,56,56,entsoe.eu,true,TIME_SLICER_AVERAGE
"""
MAPS_2021 = """\
Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),\
Carbon Intensity gCO₂eq/kWh ({lca}),Low Carbon Percentage,Renewable Percentage,\
Data Source,Data Estimated,Data Estimation Method
2022-01-01 00:00:00,Germany,Germany,DE,123.4,160.25,80.1,75.2,entsoe.eu,false,
2022-01-01 01:00:00,Germany,Germany,DE,122.1,159.75,80.3,75.4,entsoe.eu,false,
"""

WATTTIME_CSV = """\
point_time,value
2023-11-05T08:00:00+00:00,870.0
2023-11-05T08:05:00+00:00,871.5
2023-11-05T08:10:00+00:00,0
"""


def watttime(meta: dict[str, Any] | None = None, data: list[Any] | None = None) -> str:
    """An answer of WattTime, or a changed one."""
    return json.dumps(
        {
            "data": data
            or [
                {"point_time": "2022-07-15T00:00:00+00:00", "value": 870},
                {"point_time": "2022-07-15T00:05:00+00:00", "value": 870.5},
                {"point_time": "2022-07-15T00:10:00+00:00", "value": 868},
            ],
            "meta": {
                "data_point_period_seconds": 300,
                "region": "CAISO_NORTH",
                "warnings": [],
                "signal_type": "co2_moer",
                "model": {"date": "2023-03-01", "type": "binned_regression"},
                "units": "lbs_co2_per_mwh",
            }
            | (meta or {}),
        }
    )


def neso_entry(start: str, end: str, actual: Any, forecast: Any = 266) -> dict[str, Any]:
    return {
        "from": start,
        "to": end,
        "intensity": {"forecast": forecast, "actual": actual, "index": "moderate"},
    }


def neso(*entries: Any) -> str:
    return json.dumps({"data": list(entries)})


NESO = neso(
    neso_entry("2024-03-31T00:30Z", "2024-03-31T01:00Z", 263, 266),
    neso_entry("2024-03-31T01:00Z", "2024-03-31T01:30Z", 251, 255),
    neso_entry("2024-03-31T01:30Z", "2024-03-31T02:00Z", None, 240),
)

BALANCE_FUELS = (
    "Coal",
    "Natural Gas",
    "Nuclear",
    "All Petroleum Products",
    "Hydropower and Pumped Storage",
    "Solar",
    "Wind",
    "Other Fuel Sources",
    "Unknown Fuel Sources",
)


def balance(*rows: str) -> str:
    """A balance file; the fuels of the rows are reported and adjusted."""
    how = ("", " (Adjusted)")
    fuels = [f"Net Generation (MW) from {fuel}{form}" for form in how for fuel in BALANCE_FUELS]
    header = (
        "Balancing Authority,Data Date,Hour Number,Local Time at End of Hour,"
        "UTC Time at End of Hour,Demand Forecast (MW),Demand (MW),Net Generation (MW),"
        "Total Interchange (MW),Sum(Valid DIBAs) (MW),Demand (MW) (Imputed),"
        "Net Generation (MW) (Imputed),Total Interchange (MW) (Imputed),Demand (MW) (Adjusted),"
        "Net Generation (MW) (Adjusted),Total Interchange (MW) (Adjusted),"
    )
    return header + ",".join([*fuels, "Region"]) + "\n" + "".join(f"{row}\n" for row in rows)


def balance_row(area: str, hour: int, local: str, utc: str, fuels: str) -> str:
    """A row; `fuels` are adjusted, what was reported is empty."""
    middle = '"25,000","25,001","24,000",-100,,,,,"25,001","24,000",-100'
    return f"{area},03/13/2022,{hour},{local},{utc},{middle},{',' * 8},{fuels},NW"


BALANCE = balance(
    # The clocks go forward at 2 AM: the hour that ends at 10:00 UTC ends at 3 AM.
    balance_row(
        "CISO",
        2,
        "03/13/2022 1:00:00 AM",
        "03/13/2022 9:00:00 AM",
        '0,"10,000","2,000",0,"1,000",-5,"3,000",500,',
    ),
    balance_row(
        "BPAT", 2, "03/13/2022 1:00:00 AM", "03/13/2022 9:00:00 AM", '0,0,"1,000",0,"3,000",,0,0,'
    ),
    balance_row(
        "CISO",
        3,
        "03/13/2022 3:00:00 AM",
        "03/13/2022 10:00:00 AM",
        '0,"9,000","2,000",0,"1,000",-5,"3,000",500,',
    ),
    balance_row(
        "BPAT", 3, "03/13/2022 3:00:00 AM", "03/13/2022 10:00:00 AM", '0,0,"1,000",0,"1,000",,0,0,'
    ),
)

PLAIN_MIX = """\
timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH,avg_CI
2022-01-01 00:00:00+00:00,107,12,11510,0,954,0,1158,210,57.885814636943586
2022-01-01 01:00:00+00:00,94,1,12056,0,954,0,1159,212,56.68326885880077
2022-01-01 02:00:00+00:00,63,0,12506,0,957,0,1162,210,55.84716069271043
"""

TYPES = (
    "Biomass",
    "Fossil Brown coal/Lignite",
    "Fossil Coal-derived gas",
    "Fossil Gas",
    "Fossil Hard coal",
    "Fossil Oil",
    "Fossil Oil shale",
    "Fossil Peat",
    "Geothermal",
    "Hydro Pumped Storage",
    "Hydro Run-of-river and poundage",
    "Hydro Water Reservoir",
    "Marine",
    "Nuclear",
    "Other",
    "Other renewable",
    "Solar",
    "Waste",
    "Wind Offshore",
    "Wind Onshore",
)


def entsoe(*units: str, mtu: str = "MTU", unit: str = "MW", area: str = "Germany (DE)") -> str:
    """Generation of 100 MW of gas and 300 of wind in the first unit; 100 MW more gas each later."""
    names = [f"{name}  - Actual Aggregated [{unit}]" for name in TYPES]
    names.insert(10, f"Hydro Pumped Storage  - Actual Consumption [{unit}]")
    text = ",".join(f'"{name}"' for name in ["Area", mtu, *names]) + "\n"
    for index, stamp in enumerate(units):
        fields = dict.fromkeys(names, "n/e")
        for name, value in (
            ("Fossil Gas", str(100 * (index + 1))),
            ("Wind Onshore", "300"),
            ("Hydro Pumped Storage", "50"),
        ):
            fields[f"{name}  - Actual Aggregated [{unit}]"] = value
        fields[names[10]] = "80"
        text += ",".join(f'"{value}"' for value in [area, stamp, *fields.values()]) + "\n"
    return text


MIXES = [(100 * n * 490 + 300 * 11) / (100 * n + 300) for n in range(1, 9)]

ENTSOE_UTC = entsoe(
    "01.01.2016 00:00 - 01.01.2016 01:00 (UTC)",
    "01.01.2016 01:00 - 01.01.2016 02:00 (UTC)",
    "01.01.2016 02:00 - 01.01.2016 03:00 (UTC)",
)
ENTSOE_AUTUMN = entsoe(
    "25.10.2020 01:00 - 25.10.2020 02:00 (CET/CEST)",
    "25.10.2020 02:00 - 25.10.2020 03:00 (CET/CEST)",
    "25.10.2020 02:00 - 25.10.2020 03:00 (CET/CEST)",
    "25.10.2020 03:00 - 25.10.2020 04:00 (CET/CEST)",
)
ENTSOE_AUTUMN_MARKED = entsoe(
    "26/10/2025 01:45:00 (CEST) - 26/10/2025 02:00:00 (CEST)",
    *(
        f"26/10/2025 02:{a:02}:00 ({zone}) - 26/10/2025 {b // 60:02}:{b % 60:02}:00 ({end})"
        for a, b, zone, end in (
            (0, 135, "CEST", "CEST"),
            (15, 150, "CEST", "CEST"),
            (30, 165, "CEST", "CEST"),
            (45, 120, "CEST", "CET"),
            (0, 135, "CET", "CET"),
        )
    ),
    mtu="MTU (CET/CEST)",
)
ENTSOE_SPRING = entsoe(
    "28.03.2021 00:00 - 28.03.2021 01:00",
    "28.03.2021 01:00 - 28.03.2021 03:00",
    "28.03.2021 03:00 - 28.03.2021 04:00",
    "28.03.2021 04:00 - 28.03.2021 05:00",
    mtu="MTU (CET/CEST)",
)

SOLCAST = """\
PeriodEnd,PeriodStart,Period,AirTemp,Dhi,Dni,Ghi
2022-06-08T19:05:00Z,2022-06-08T19:00:00Z,PT5M,19.1,101,880,901.5
2022-06-08T19:10:00Z,2022-06-08T19:05:00Z,PT5M,19.2,102,878,903
2022-06-08T19:15:00Z,2022-06-08T19:10:00Z,PT5M,-0.5,102,877,904
"""
SOLCAST_API = """\
dhi,dni,ghi,air_temp,period_end,period
10,0,10,8,2023-10-29T01:00:00+00:00,PT60M
12,5,14,8,2023-10-29T02:00:00+00:00,PT60M
"""

FORECASTS = """\
request_time,forecast_time,value
2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,100
2024-01-01T00:00:00Z,2024-01-01T01:00:00Z,110
2024-01-01T00:00:00Z,2024-01-01T02:00:00Z,120
2024-01-01T01:00:00Z,2024-01-01T01:00:00Z,111
2024-01-01T01:00:00Z,2024-01-01T02:00:00Z,122
2024-01-01T01:00:00Z,2024-01-01T03:00:00Z,133
"""


def mix(**generation_mw: float) -> float:
    factors = {"gas": 490, "nuclear": 12, "hydro": 24, "wind": 11, "solar": 41, "other": 230}
    total = sum(generation_mw.values())
    return sum(factors[fuel] * value for fuel, value in generation_mw.items()) / total


EXAMPLES = {
    "maps-2025": Example(
        "electricity_maps", MAPS_2025, "2024-03-31T00:00", 3600, [343.71, 340.08, 337.6], "average"
    ),
    "maps-direct": Example(
        "electricity_maps",
        MAPS_2025,
        "2024-03-31T00:00",
        3600,
        [301.22, 298.01, 295.5],
        "average",
        ReadOptions(column="direct", area="DE"),
    ),
    "maps-2022": Example(
        "electricity_maps",
        MAPS_2021.format(lca="LCA"),
        "2022-01-01T00:00",
        3600,
        [160.25, 159.75],
        "average",
    ),
    "maps-2023": Example(
        "electricity_maps",
        MAPS_2021.format(lca="life cycle assessment"),
        "2022-01-01T00:00",
        3600,
        [160.25, 159.75],
        "average",
    ),
    "watttime-csv": Example(
        "watttime",
        WATTTIME_CSV,
        "2023-11-05T08:00",
        300,
        [870.0 * POUND, 871.5 * POUND, 0],
        "marginal",
    ),
    "watttime-json": Example(
        "watttime",
        watttime(),
        "2022-07-15T00:00",
        300,
        [870 * POUND, 870.5 * POUND, 868 * POUND],
        "marginal",
        ReadOptions(area="CAISO_NORTH"),
    ),
    "watttime-average": Example(
        "watttime",
        watttime({"signal_type": "co2_aoer"}),
        "2022-07-15T00:00",
        300,
        [870 * POUND, 870.5 * POUND, 868 * POUND],
        "average",
    ),
    "neso": Example(
        "neso",
        NESO.replace("null", "249"),
        "2024-03-31T00:30",
        1800,
        [263, 251, 249],
        "average",
    ),
    "neso-forecast": Example(
        "neso",
        NESO,
        "2024-03-31T00:30",
        1800,
        [266, 255, 240],
        "average",
        ReadOptions(column="forecast"),
    ),
    "eia930-balance": Example(
        "eia930",
        BALANCE,
        "2022-03-13T08:00",
        3600,
        [
            mix(gas=10_000, nuclear=2000, hydro=1000, wind=3000, other=500),
            mix(gas=9000, nuclear=2000, hydro=1000, wind=3000, other=500),
        ],
        "average",
        ReadOptions(area="CISO"),
    ),
    "eia930-balance-factors": Example(
        "eia930",
        BALANCE,
        "2022-03-13T08:00",
        3600,
        [(12 * 1 + 30 * 3) / 4, (12 * 1 + 30 * 1) / 2],
        "average",
        ReadOptions(area="BPAT", factors={"hydro": 30.0}),
    ),
    "eia930-plain": Example(
        "eia930",
        PLAIN_MIX,
        "2021-12-31T23:00",
        3600,
        [57.885814636943586, 56.68326885880077, 55.84716069271043],
        "average",
    ),
    "entsoe-utc": Example("entsoe", ENTSOE_UTC, "2016-01-01T00:00", 3600, MIXES[:3], "average"),
    "entsoe-autumn": Example(
        "entsoe", ENTSOE_AUTUMN, "2020-10-24T23:00", 3600, MIXES[:4], "average"
    ),
    "entsoe-autumn-marked": Example(
        "entsoe", ENTSOE_AUTUMN_MARKED, "2025-10-25T23:45", 900, MIXES[:6], "average"
    ),
    "entsoe-spring": Example(
        "entsoe", ENTSOE_SPRING, "2021-03-27T23:00", 3600, MIXES[:4], "average"
    ),
    "solcast": Example("solcast", SOLCAST, "2022-06-08T19:00", 300, [901.5, 903, 904]),
    "solcast-temperature": Example(
        "solcast",
        SOLCAST,
        "2022-06-08T19:00",
        300,
        [19.1, 19.2, -0.5],
        options=ReadOptions(column="air_temp"),
    ),
    "solcast-api": Example(
        "solcast",
        SOLCAST_API,
        "2023-10-29T00:00",
        3600,
        [0, 5],
        options=ReadOptions(column="dni"),
    ),
    "forecasts": Example("forecasts", FORECASTS, "2024-01-01T00:00", 3600, [100, 111, 122, 133]),
    "forecasts-ahead": Example(
        "forecasts",
        FORECASTS,
        "2024-01-01T01:00",
        3600,
        [110, 122, 133],
        options=ReadOptions(lead_s=3600),
    ),
}
