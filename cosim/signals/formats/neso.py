"""Carbon intensity of Great Britain, from NESO's API: periods of half an hour, with both ends.

An entry has a forecast and, once the period is over, an actual intensity; that may be null. Regions
have a forecast only. The API answers for one region, or for all of them in each period.
"""

from __future__ import annotations

from typing import Any

from cosim.signals.faults import file_error, shown, shown_names
from cosim.signals.formats.answer import Answer, Entry
from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

COLUMNS = ("actual", "forecast")
_FORM = "{from, to, intensity: {actual, forecast}}, as NESO has it"


def matches(source: Source) -> bool:
    """Return whether a file looks like one."""
    periods = _periods(source.json)
    first = periods[0] if periods else None
    return (
        isinstance(first, dict)
        and "from" in first
        and bool({"intensity", "to", "regions"} & first.keys())
    )


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity [g/kWh]: the actual one, unless the forecast is wanted.

    Of a region it is the forecast, for there is no other.

    Raises:
        SignalError: If the file is not as it should be.
    """
    document = _of_area(source, options)
    intensities = source.checked(answer, document)
    column = options.column or _default_column(intensities)
    faults, texts = source.entries("data", intensities.entries), intensities.texts(column)
    if column != (options.column or COLUMNS[0]):
        faults.notes.append("the intensity of a region is a forecast: it has no actual one")
    values = parse_numbers(
        texts, faults, blank=options.fill is not None, what=f"intensity.{column}"
    )
    values = scaled_values(values, intensities.g_per_kwh, texts, faults, signed=False)
    starts, ends = intensities.starts, intensities.ends
    starts_us = parse_iso(starts, options.timezone, faults)
    ends_us = parse_iso(ends, options.timezone, faults)
    lengths_us = None
    if starts_us is not None and ends_us is not None:
        lengths_us = ends_us - starts_us
        text = "expected 'to' after 'from', by as much in every entry"
        wrong = (lengths_us != lengths_us[0]) | (lengths_us <= 0)
        if faults.add(wrong, text, (starts + " to " + ends).tolist()):
            faults.stop()
    return regular_series(
        starts_us if ends_us is not None else None,
        values,
        faults,
        lengths_us=lengths_us,
        fill=options.fill,
    )


def answer(document: Any) -> Answer:
    """Return the half-hours of a document.

    Raises:
        ValueError: If it is of another shape.
    """
    periods = _periods(document)
    if periods is None:
        raise ValueError(f'expected {{"data": [...]}} (got {shown(document)})')
    return Answer([_entry(item) for item in periods], "average", 1.0, _FORM)


def _periods(document: Any) -> list[Any] | None:
    """Return the periods in a document, of the country or of a region; None in another one."""
    data = document.get("data") if isinstance(document, dict) else None
    if isinstance(data, list) and len(data) == 1 and _is_region(data[0]):
        data = data[0]
    if isinstance(data, dict) and _is_region(data):
        data = data["data"]
    return data if isinstance(data, list) else None


def _is_region(item: Any) -> bool:
    return isinstance(item, dict) and "regionid" in item and isinstance(item.get("data"), list)


def _of_area(source: Source, options: ReadOptions) -> Any:
    """Return a document that has periods of one area."""
    document = source.json
    if document is None:
        raise source.error("expected JSON (got other text)")
    periods = _periods(document) or []
    first = periods[0] if periods and isinstance(periods[0], dict) else {}
    if isinstance(first.get("regions"), list):
        return {"data": [_in_region(source, item, options.area) for item in periods]}
    data = document["data"] if isinstance(document, dict) and "data" in document else None
    region = data[0] if isinstance(data, list) and data else data
    names = _names(region) if _is_region(region) else ()
    if options.area is not None and options.area not in names:
        what = f"of region {shown_names(names)}" if names else "of the whole country"
        message = f"area: the file is {what} (got {shown(options.area)})"
        raise file_error(source.path, None, message)
    return document


def _in_region(source: Source, period: Any, area: str | None) -> Any:
    """Return a period with the intensity of one of its regions."""
    regions = period.get("regions") if isinstance(period, dict) else None
    named = [item for item in regions or () if isinstance(item, dict)]
    chosen = next((item for item in named if area in _names(item)), None)
    if chosen is None:
        known = [name for item in named for name in _names(item)[1:]]
        message = (
            f"the file has {len(named)} regions: set 'area' to one (got {shown_names(known)})"
            if area is None
            else f"area: no such region (got {shown(area)}, expected one of {shown_names(known)})"
        )
        raise file_error(source.path, None, message)
    return {**period, "intensity": chosen.get("intensity")}


def _names(region: Any) -> tuple[str, ...]:
    """Return the names of a region: its number and its names."""
    keys = ("regionid", "shortname", "dnoregion", "postcode")
    return tuple(str(region[key]) for key in keys if region.get(key) is not None)


def _default_column(found: Answer) -> str:
    """Return the actual intensity, or the forecast where no entry knows of an actual one."""
    has_actual = any(COLUMNS[0] in entry.values for entry in found.entries)
    return COLUMNS[0] if has_actual or not any(e.values for e in found.entries) else COLUMNS[1]


def _entry(item: Any) -> Entry:
    intensity = item.get("intensity") if isinstance(item, dict) else None
    if not isinstance(intensity, dict):
        return Entry()
    values = {column: intensity[column] for column in COLUMNS if column in intensity}
    return Entry(item.get("from"), item.get("to"), values or {COLUMNS[0]: None})


FORMAT = SignalFormat(
    name="neso",
    about="carbon intensity of Great Britain and its regions, JSON of NESO's API",
    quantity="carbon intensity",
    unit="g/kWh",
    matches=matches,
    read=read,
    kind="average",
    columns=COLUMNS,
    areas=True,
)
