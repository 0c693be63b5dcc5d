"""Signals over time: carbon intensity, solar power, load, price and temperature."""

from cosim.signals.build import (
    carbon_series,
    load_series,
    price_series,
    solar_series,
    temperature_series,
)
from cosim.signals.place import Place
from cosim.signals.series import Series
from cosim.signals.window import Window

__all__ = [
    "Place",
    "Series",
    "Window",
    "carbon_series",
    "load_series",
    "price_series",
    "solar_series",
    "temperature_series",
]
