"""Arrays of numbers, by the name that signatures give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
"""Floating-point numbers; the shape stands where it is used."""
