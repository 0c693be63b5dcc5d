"""Files of known sources, recognised by their content: their headers, or the shape of their JSON.

A module a format, which it describes as ``FORMAT``. A package of yours can offer others, see
:class:`SignalFormat`; :func:`cosim.signals.conformance.check_format` holds them to the contract.
"""

from __future__ import annotations

from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.registry import FORMATS, find_format, read_signal, recognise
from cosim.signals.formats.source import ReadOptions, Source

__all__ = [
    "FORMATS",
    "ReadOptions",
    "SignalFormat",
    "Source",
    "find_format",
    "read_signal",
    "recognise",
]
