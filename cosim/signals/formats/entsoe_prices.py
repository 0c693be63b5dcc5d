"""Day-ahead prices of ENTSO-E's Transparency Platform.

Two forms: exports of its pages, before and after 2024, with a market time unit (MTU) written with
both of its ends; and the files of its file library. Since October 2025 most areas have a price for
each quarter of an hour. Of several auctions, the one whose sequence is 1 counts unless another one
is wanted.
"""

from __future__ import annotations

import re

from cosim.signals.faults import Faults, IntArray, file_error, shown, shown_names
from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.formats.time_units import library_area, parse_units, resolutions, zone_of
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso
from cosim.signals.text_file import Table

_PRICE = re.compile(r"day-ahead price ?[\[(](?P<currency>[a-z]{3})/mwh[\])]")
_LIBRARY = ("datetime(utc)", "price[currency/mwh]", "resolutioncode")
_PER_KWH = 1e-3
COLUMNS = ("1", "2", "3")
"""Sequences of the auctions."""


def matches(source: Source) -> bool:
    """Return whether a file looks like one."""
    return {*_LIBRARY} <= {*source.names} or any(map(_PRICE.fullmatch, source.names))


def read(source: Source, options: ReadOptions) -> Series:
    """Return the price [currency/kWh].

    Raises:
        SignalError: If the file is not as it should be.
    """
    library = {*_LIBRARY} <= {*source.names}
    value = source.find(_LIBRARY[1]) if library else _find_price(source)
    table = source.table()
    table = library_area(source, table, options) if library else _page_area(source, table, options)
    table, note = _of_auction(source, table, options)
    _check_currency(source, table, source.names[value], options)
    faults, texts = table.faults(), table.texts(value)
    faults.notes += note
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, _PER_KWH, texts, faults, signed=True)
    starts_us, lengths_us = (
        _library_times(source, table, faults)
        if library
        else _page_times(source, table, options, faults)
    )
    return regular_series(starts_us, values, faults, lengths_us=lengths_us, fill=options.fill)


def _find_price(source: Source) -> int:
    places = [place for place, name in enumerate(source.names) if _PRICE.fullmatch(name)]
    if len(places) != 1:
        return source.find("Day-ahead Price [EUR/MWh]")
    return places[0]


def _page_area(source: Source, table: Table, options: ReadOptions) -> Table:
    """Return the rows of an area; older files name theirs in the header."""
    named = [name for name in source.header if re.fullmatch(r"(BZN|CTA|CTY|MBA)\|.+", name)]
    if (named and options.area is None) or options.area in named:
        return table
    return only_area(source, table, options, "Area")


def _of_auction(source: Source, table: Table, options: ReadOptions) -> tuple[Table, list[str]]:
    """Return the rows of one auction, and note the others."""
    wanted = options.column or COLUMNS[0]
    if "sequence" not in source.names:
        return table, []
    texts = table.texts(source.find("Sequence"))
    numbers = texts.str.replace(r"(?i)sequence|without", "", regex=True).str.strip()
    known = [*numbers.unique()]
    if len(known) == 1 and options.column is None:
        return table, []
    if wanted not in known:
        message = f"column: no such sequence (got {shown(wanted)}, expected one of "
        raise file_error(source.path, None, f"{message}{shown_names(known)})")
    note = f"of the auctions {', '.join(sorted(known))}, the prices of sequence {wanted} are taken"
    chosen = table.only((numbers == wanted).to_numpy(dtype=bool)).require_rows()
    return chosen, [] if options.column else [note]


def _check_currency(source: Source, table: Table, name: str, options: ReadOptions) -> None:
    match = _PRICE.fullmatch(name)
    currencies = [match["currency"].upper()] if match else []
    if "currency" in source.names:
        texts = table.texts(source.find("Currency"))
        currencies += [text for text in texts.unique() if text]
    other = [
        currency
        for currency in dict.fromkeys(currencies)
        if currency != (options.currency or currencies[0])
    ]
    if other:
        raise file_error(
            source.path,
            None,
            f"currency: the prices are in {shown_names([*dict.fromkeys(currencies)])} (expected "
            f"{options.currency or currencies[0]})",
        )


def _library_times(
    source: Source, table: Table, faults: Faults
) -> tuple[IntArray | None, IntArray | None]:
    times_us = parse_iso(table.texts(source.find(_LIBRARY[0])), "UTC", faults)
    lengths_us = resolutions(table.texts(source.find(_LIBRARY[2])), faults)
    return (None, None) if lengths_us is None else (times_us, lengths_us)


def _page_times(
    source: Source, table: Table, options: ReadOptions, faults: Faults
) -> tuple[IntArray | None, IntArray | None]:
    time = source.find("MTU", "MTU (UTC)", "MTU (CET/CEST)")
    zone = zone_of(source.header[time])
    return parse_units(table.texts(time), zone, options.timezone, faults)


FORMAT = SignalFormat(
    name="entsoe_prices",
    about="ENTSO-E, day-ahead prices of a European area",
    quantity="price",
    unit="currency/kWh",
    matches=matches,
    read=read,
    columns=COLUMNS,
    areas=True,
)
