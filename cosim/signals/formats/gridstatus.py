"""Generation by fuel of US grid operators and of EIA, as the library gridstatus exports it.

A column for each fuel [MW], and the start and the end of each interval with their offset from UTC.
"""

from __future__ import annotations

from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.generation import FuelColumn, read_intensity
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import regular_series
from cosim.signals.mix import STORAGE
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

_FUELS = {
    "batteries": STORAGE,
    "battery": STORAGE,
    "battery storage": STORAGE,
    "biogas": "biomass",
    "biomass": "biomass",
    "coal": "coal",
    "coal and lignite": "coal",
    "dual fuel": "gas",
    "gas": "gas",
    "geothermal": "geothermal",
    "hydro": "hydro",
    "hydropower": "hydro",
    "landfill gas": "biomass",
    "large hydro": "hydro",
    "multiple fuels": "other",
    "natural gas": "gas",
    "nuclear": "nuclear",
    "oil": "oil",
    "other": "other",
    "other energy storage": STORAGE,
    "other fossil fuels": "other",
    "other renewables": "other",
    "petroleum": "oil",
    "power storage": STORAGE,
    "pumped storage": STORAGE,
    "refuse": "other",
    "small hydro": "hydro",
    "solar": "solar",
    "solar with integrated battery storage": "solar",
    "storage": STORAGE,
    "unknown": "other",
    "unknown energy storage": STORAGE,
    "wind": "wind",
    "wind with integrated battery storage": "wind",
    "wood": "biomass",
}
"""Fuels by the names of the columns."""
_IMPORTS = "imports"
_START, _END = "interval start", "interval end"
_OTHERS = {"time", _START, _END, "respondent", "respondent name", "publish time", _IMPORTS}


def matches(source: Source) -> bool:
    """Return whether a file looks like one."""
    return _START in source.names and len({*source.names} & {*_FUELS}) >= 2


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity of the mix [g/kWh].

    Raises:
        SignalError: If the file is not as it should be.
    """
    start, end = source.find("Interval Start"), source.find("Interval End")
    columns = [
        FuelColumn(_FUELS.get(name), source.header[place], (place,))
        for place, name in enumerate(source.names)
        if name not in _OTHERS
    ]
    table = only_area(source, source.table(), options, "Respondent")
    faults = table.faults()
    if _IMPORTS in source.names:
        faults.notes.append("imports are left out: the mix is that of the area's own plants")
    values = read_intensity(table, columns, faults, options)
    starts_us = parse_iso(table.texts(start), options.timezone, faults)
    ends_us = parse_iso(table.texts(end), options.timezone, faults)
    if starts_us is None or ends_us is None:
        faults.stop()
    lengths_us = ends_us - starts_us
    faults.add(
        lengths_us <= 0, "expected the end of the interval after its start", table.texts(end)
    )
    if faults.problems:
        faults.stop()
    return regular_series(starts_us, values, faults, lengths_us=lengths_us, fill=options.fill)


FORMAT = SignalFormat(
    name="gridstatus",
    about="gridstatus, generation by fuel of US grid operators and of EIA",
    quantity="carbon intensity",
    unit="g/kWh",
    matches=matches,
    read=read,
    kind="average",
    areas=True,
    mix=True,
)
