"""What may be set on a cluster while it runs, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable

from inference_sim.errors import InferenceSimError

_AT_LEAST_0 = ("at least 0", lambda value: value >= 0)
_WHOLE = ("a whole number from 1", lambda value: value >= 1 and value % 1 == 0)

ACTUATORS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "admission_rate": _AT_LEAST_0,
    "deferrable_rate": _AT_LEAST_0,
    "batch_cap": _WHOLE,
    "active_replicas": _WHOLE,
    "clock_fraction": ("above 0 and at most 1", lambda value: 0 < value <= 1),
    "power_cap": ("above 0", lambda value: value > 0),
}
"""By name: what a value must be, and a test of it.

Rates in requests/s, ``batch_cap`` in sequences per replica, ``power_cap`` in W per GPU.
"""


def check_setting(name: str, value: float) -> None:
    """Check that an actuator exists and may be set to `value`.

    Raises:
        InferenceSimError: If not.
    """
    if name not in ACTUATORS:
        raise InferenceSimError(f"unknown actuator '{name}'; known: {', '.join(ACTUATORS)}")
    expected, holds = ACTUATORS[name]
    if not holds(value):
        raise InferenceSimError(f"{name} must be {expected} (got {value:g})")
