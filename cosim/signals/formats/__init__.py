"""Files of known sources, told apart by their content: their headers, or the shape of their JSON.

A module a format. It has ``matches``, whether a file looks like one, and ``read``, which returns
the series in the unit of the format with the stamps at the start of the intervals, in UTC.
"""

from __future__ import annotations

from cosim.signals.formats.registry import FORMATS, SignalFormat, read_signal, recognise
from cosim.signals.formats.source import ReadOptions, Source

__all__ = ["FORMATS", "ReadOptions", "SignalFormat", "Source", "read_signal", "recognise"]
