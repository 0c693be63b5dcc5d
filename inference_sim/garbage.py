"""Python's cyclic garbage collector, paused where there are no cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_gc() -> Iterator[None]:
    """Pause the collector of reference cycles.

    A simulation makes many objects that live until a step's end, and no cycles: searching them
    again and again takes a tenth of its time. Reference counting goes on.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
