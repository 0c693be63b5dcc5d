"""Small files with the real headers of each source, and what they must be read as."""

from __future__ import annotations

import itertools
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
        notes: What is said of what was done to it.
        lengths_s: Length of each interval, where they differ [s].
    """

    format: str
    text: str
    first: str
    step_s: float
    values: list[float]
    kind: str | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    notes: tuple[str, ...] = ()
    lengths_s: tuple[float, ...] = ()

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

NEW_FUELS = (
    "Coal",
    "Natural Gas",
    "Solar without Integrated Battery Storage",
    "Solar with Integrated Battery Storage",
    "Battery Storage",
    "Geothermal",
    "Unknown Fuel Sources",
)


def new_balance(*rows: str) -> str:
    """A balance file of one area as of July 2024, with EIA's own names; hours end at 8, 9, ..."""
    adjusted = ["Solar witho Integrated Battery Storage" if "with I" in f else f for f in NEW_FUELS]
    names = [f"Net Generation (MW) from {fuel}" for fuel in NEW_FUELS]
    names += [f"Net Generation (MW) from {fuel}  (Adjusted)" for fuel in adjusted]
    head = "Balancing Authority,UTC Time at End of Hour," + ",".join(names)
    lines = [f"PACE,07/02/2024 {8 + n}:00:00 AM,{row}" for n, row in enumerate(rows)]
    return "\n".join([head, *lines]) + "\n"


EIA_API = """\
period,respondent,respondent-name,fueltype,type-name,value,value-units
2025-02-03T02,ERCO,Texas,NG,Natural Gas,300,megawatthours
2025-02-03T02,ERCO,Texas,WND,Wind,700,megawatthours
2025-02-03T01,ERCO,Texas,WND,Wind,500,megawatthours
2025-02-03T01,ERCO,Texas,NG,Natural Gas,500,megawatthours
2025-02-03T01,ERCO,Texas,BAT,Battery storage,-80,megawatthours
2025-02-03T02,ERCO,Texas,BAT,Battery storage,90,megawatthours
"""
EIA_API_JSON = json.dumps(
    {
        "response": {
            "total": "4",
            "frequency": "hourly",
            "data": [
                {"period": f"2025-02-03T0{hour}", "respondent": "ERCO", "fueltype": f, "value": v}
                for hour, f, v in (
                    (1, "NG", "500"),
                    (1, "SNB", 500),
                    (2, "NG", 300),
                    (2, "SNB", 700),
                )
            ],
        }
    }
)


def maps_rows(*stamps: str) -> str:
    head = MAPS_2025.partition("\n")[0]
    rows = [
        f"{stamp} 00:00:00,France,France,FR,{20 + n},{40 + n},95,30,rte,false,"
        for n, stamp in enumerate(stamps)
    ]
    return "\n".join([head, *rows]) + "\n"


def maps_json(name: str = "history", **keys: Any) -> str:
    return json.dumps(
        {
            "zone": "FR",
            name: [
                {
                    "zone": "FR",
                    "carbonIntensity": 41 + hour,
                    "datetime": f"2025-03-0{hour + 1}T00:00:00.000Z",
                    "emissionFactorType": "lifecycle",
                    **keys,
                }
                for hour in range(3)
            ],
        }
    )


def region(number: int, name: str, forecast: float) -> dict[str, Any]:
    return {"regionid": number, "shortname": name, "intensity": {"forecast": forecast}}


NESO_HALVES = ("2025-01-05T10:00Z", "2025-01-05T10:30Z", "2025-01-05T11:00Z")
NESO_REGION = json.dumps(
    {
        "data": {
            "regionid": 3,
            "shortname": "North West England",
            "data": [
                {"from": start, "to": end, "intensity": {"forecast": 20 + n, "index": "low"}}
                for n, (start, end) in enumerate(itertools.pairwise(NESO_HALVES))
            ],
        }
    }
)
NESO_REGIONS = json.dumps(
    {
        "data": [
            {
                "from": start,
                "to": end,
                "regions": [region(1, "North Scotland", 5 + n), region(13, "London", 95 + n)],
            }
            for n, (start, end) in enumerate(itertools.pairwise(NESO_HALVES))
        ]
    }
)
REGION_NOTE = "the intensity of a region is a forecast: it has no actual one"

WATTTIME_HISTORY = watttime(
    data=[
        {
            "generated_at": f"2025-04-01T00:{made:02}:00+00:00",
            "forecast": [
                {
                    "point_time": f"2025-04-01T00:{made + ahead:02}:00+00:00",
                    "value": 600 + made + ahead,
                }
                for ahead in (0, 5, 10)
            ],
        }
        for made in (0, 5)
    ]
)

LIBRARY = (
    "DateTime(UTC)\tResolutionCode\tAreaCode\tAreaDisplayName\tAreaTypeCode\tAreaMapCode\t"
    "ProductionType\tActualGenerationOutput[MW]\tActualConsumption[MW]\tUpdateTime(UTC)\n"
)


def library(*rows: tuple[str, str, str, str, str]) -> str:
    """A file of ENTSO-E's file library: stamp, resolution, type of area, production type, MW."""
    return LIBRARY + "".join(
        f"2025-09-30 {stamp}:00.000\t{code}\t10Y1\tDenmark\t{area}\tDK1\t{kind}\t{mw}\t\t\n"
        for stamp, code, area, kind, mw in rows
    )


ENTSOE_LIBRARY = library(
    *(
        (stamp, code, area, kind, mw)
        for area in ("CTA", "BZN")
        for stamp, code in (
            *((f"{hour}:00", "PT60M") for hour in (20, 21, 22)),
            *((f"23:{minute}", "PT15M") for minute in ("00", "15", "30", "45")),
        )
        for kind, mw in (("Fossil Gas", "100"), ("Wind Onshore", "300"))
    )
)
ENTSOE_CLIENT = """\
,Biomass,Fossil Gas,Fossil Gas,Wind Onshore
,Actual Aggregated,Actual Aggregated,Actual Consumption,Actual Aggregated
2025-03-30 01:00:00+01:00,,100.0,7.0,300.0
2025-03-30 03:00:00+02:00,,200.0,,300.0
2025-03-30 04:00:00+02:00,,300.0,,300.0
"""
ENTSOE_CLIENT_NET = """\
,Fossil Gas,Wind Onshore
2025-03-30 01:00:00+01:00,100.0,300.0
2025-03-30 03:00:00+02:00,200.0,300.0
"""

PRICES_OLD = """\
"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|FR"
"30.03.2025 01:00 - 30.03.2025 03:00","50.5","EUR",""
"30.03.2025 03:00 - 30.03.2025 04:00","-7.25","EUR",""
"""
PRICES_NEW = """\
"MTU (UTC)","Area","Sequence","Day-ahead Price (EUR/MWh)"
"01/10/2025 00:00:00 - 01/10/2025 00:15:00","BZN|FR","Sequence 1","80"
"01/10/2025 00:00:00 - 01/10/2025 00:15:00","BZN|FR","Sequence 2","99"
"01/10/2025 00:15:00 - 01/10/2025 00:30:00","BZN|FR","Sequence 1","84"
"01/10/2025 00:15:00 - 01/10/2025 00:30:00","BZN|FR","Sequence 2","98"
"""
PRICES_LIBRARY = (
    "DateTime(UTC)\tResolutionCode\tAreaCode\tAreaDisplayName\tAreaTypeCode\tMapCode\t"
    "ContractType\tSequence\tPrice[Currency/MWh]\tCurrency\n"
) + "".join(
    f"2025-09-30 {stamp}:00.000\t{code}\t10Y1\tSweden\tBZN\tSE3\tDay-ahead\t1\t{mwh}\tEUR\n"
    for stamp, code, mwh in (("22:00", "PT60M", 10), ("23:00", "PT60M", 20))
)

GRIDSTATUS = """\
Time,Interval Start,Interval End,Solar,Wind,Natural Gas,Batteries,Imports,Other
2025-06-01 00:00:00-07:00,2025-06-01 00:00:00-07:00,2025-06-01 00:05:00-07:00,-1,300,100,-40,900,0
2025-06-01 00:05:00-07:00,2025-06-01 00:05:00-07:00,2025-06-01 00:10:00-07:00,-1,300,300,60,900,0
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
        (
            "'other fuel sources' of California includes the discharge of batteries, counted "
            "with 230 g/kWh; `leave_out: [other]` leaves it out",
        ),
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
    "maps-monthly": Example(
        "electricity_maps",
        maps_rows("2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01"),
        "2023-12-01T00:00",
        0,
        [40, 41, 42, 43],
        "average",
        notes=("one row for each calendar month: its value is held over the month",),
        lengths_s=tuple(86400.0 * days for days in (31, 31, 29, 31)),
    ),
    "maps-years": Example(
        "electricity_maps",
        maps_rows("2023-01-01", "2024-01-01", "2025-01-01"),
        "2023-01-01T00:00",
        0,
        [40, 41, 42],
        "average",
        notes=("one row for each calendar year: its value is held over the year",),
        lengths_s=tuple(86400.0 * days for days in (365, 366, 365)),
    ),
    "maps-year": Example(
        "electricity_maps",
        maps_rows("2024-01-01"),
        "2024-01-01T00:00",
        366 * 86400.0,
        [40],
        "average",
        notes=("a single row, of 1 January: its value is held over the year 2024",),
    ),
    "maps-json": Example(
        "electricity_maps",
        maps_json(),
        "2025-03-01T00:00",
        86400,
        [41, 42, 43],
        "average",
        ReadOptions(area="FR"),
    ),
    "maps-json-direct": Example(
        "electricity_maps",
        maps_json("data", emissionFactorType="direct"),
        "2025-03-01T00:00",
        86400,
        [41, 42, 43],
        "average",
        ReadOptions(column="direct"),
    ),
    "watttime-history": Example(
        "watttime",
        WATTTIME_HISTORY,
        "2025-04-01T00:00",
        300,
        [(600 + minute) * POUND for minute in (0, 5, 10, 15)],
        "marginal",
    ),
    "watttime-history-ahead": Example(
        "watttime",
        WATTTIME_HISTORY,
        "2025-04-01T00:05",
        300,
        [(600 + minute) * POUND for minute in (5, 10, 15)],
        "marginal",
        ReadOptions(lead_s=300),
    ),
    "neso-region": Example(
        "neso", NESO_REGION, "2025-01-05T10:00", 1800, [20, 21], "average", notes=(REGION_NOTE,)
    ),
    "neso-regions": Example(
        "neso",
        NESO_REGIONS,
        "2025-01-05T10:00",
        1800,
        [95, 96],
        "average",
        ReadOptions(area="London"),
        notes=(REGION_NOTE,),
    ),
    "eia930-2024": Example(
        "eia930",
        new_balance(
            "0,400,30,100,-9,50,,0,400,30,100,-9,50,",
            "0,400,30,100,-9,50,,0,400,30,100,-9,50,",
        ),
        "2024-07-02T07:00",
        3600,
        [(400 * 490 + 130 * 41 + 50 * 38) / 580] * 2,
        "average",
    ),
    "eia930-blanks": Example(
        "eia930",
        new_balance(
            "100,400,,,,,5,,400,,,,,",
            "100,400,,,,50,5,,300,,,,50,",
            "100,400,,,,50,5,,,,,,50,",
        ),
        "2024-07-02T07:00",
        3600,
        [
            (100 * 820 + gas * 490 + earth * 38 + 5 * 230) / (105 + gas + earth)
            for gas, earth in ((400, 0), (300, 50), (400, 50))
        ],
        "average",
        notes=(
            "without an adjusted value, the reported or imputed one is taken: 'coal' in 3 of 3 "
            "rows, 'natural gas' in 1 of 3 rows, 'unknown fuel sources' in 3 of 3 rows",
            "blank and taken for 0: 'geothermal' in 1 of 3 rows",
        ),
    ),
    "eia930-api": Example(
        "eia930",
        EIA_API,
        "2025-02-03T00:00",
        3600,
        [(500 * 490 + 500 * 11) / 1000, (300 * 490 + 700 * 11) / 1000],
        "average",
    ),
    "eia930-api-json": Example(
        "eia930",
        EIA_API_JSON,
        "2025-02-03T00:00",
        3600,
        [(500 * 490 + 500 * 41) / 1000, (300 * 490 + 700 * 41) / 1000],
        "average",
    ),
    "entsoe-changes": Example(
        "entsoe",
        entsoe(
            *(f"30.09.2025 {h}:00 - 30.09.2025 {h + 1}:00" for h in (19, 20, 21)),
            *(
                f"30.09.2025 22:{m:02} - 30.09.2025 {22 + (m + 15) // 60}:{(m + 15) % 60:02}"
                for m in (0, 15, 30, 45)
            ),
            mtu="MTU (UTC)",
        ),
        "2025-09-30T19:00",
        0,
        MIXES[:7],
        "average",
        notes=(
            "rows of 1:00:00, from 2025-09-30T22:00:00Z of 0:15:00: each value is held over its "
            "own",
        ),
        lengths_s=(3600, 3600, 3600, 900, 900, 900, 900),
    ),
    "entsoe-library": Example(
        "entsoe",
        ENTSOE_LIBRARY,
        "2025-09-30T20:00",
        0,
        MIXES[:1] * 7,
        "average",
        ReadOptions(area="BZN|DK1"),
        notes=(
            "rows of 1:00:00, from 2025-09-30T23:00:00Z of 0:15:00: each value is held over its "
            "own",
        ),
        lengths_s=(3600, 3600, 3600, 900, 900, 900, 900),
    ),
    "entsoe-client": Example(
        "entsoe", ENTSOE_CLIENT, "2025-03-30T00:00", 3600, MIXES[:3], "average"
    ),
    "entsoe-client-net": Example(
        "entsoe", ENTSOE_CLIENT_NET, "2025-03-30T00:00", 3600, MIXES[:2], "average"
    ),
    "prices-old": Example(
        "entsoe_prices", PRICES_OLD, "2025-03-30T00:00", 3600, [50.5 * 1e-3, -7.25 * 1e-3]
    ),
    "prices-new": Example(
        "entsoe_prices",
        PRICES_NEW,
        "2025-10-01T00:00",
        900,
        [80 * 1e-3, 84 * 1e-3],
        options=ReadOptions(area="BZN|FR", currency="EUR"),
        notes=("of the auctions 1, 2, the prices of sequence 1 are taken",),
    ),
    "prices-auction": Example(
        "entsoe_prices",
        PRICES_NEW,
        "2025-10-01T00:00",
        900,
        [99 * 1e-3, 98 * 1e-3],
        options=ReadOptions(column="2"),
    ),
    "prices-library": Example(
        "entsoe_prices",
        PRICES_LIBRARY,
        "2025-09-30T22:00",
        3600,
        [10 * 1e-3, 20 * 1e-3],
        options=ReadOptions(area="SE3"),
    ),
    "gridstatus": Example(
        "gridstatus",
        GRIDSTATUS,
        "2025-06-01T07:00",
        300,
        [MIXES[0], MIXES[2]],
        "average",
        notes=("imports are left out: the mix is that of the area's own plants",),
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
