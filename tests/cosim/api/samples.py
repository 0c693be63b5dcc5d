"""Scenarios and a controller that the tests of the API share."""

from __future__ import annotations

from typing import Any

import yaml

import cosim
from tests.cosim.builders import BASE


def base() -> dict[str, Any]:
    """The base scenario as a mapping."""
    content: dict[str, Any] = yaml.safe_load(BASE)
    content["time"]["start"] = "2022-06-08T00:00:00Z"
    return content


class Cap(cosim.Controller):
    """A batch cap that does not change, and a count of the steps."""

    actuators = frozenset({"batch_cap"})
    sees_carbon = False

    def __init__(self, *, cap: int = 2) -> None:
        if cap < 1:
            raise ArithmeticError(f"cap is {cap}")
        self.cap = cap

    def reset(self, context: cosim.SiteContext) -> None:
        self.steps = 0

    def step(self, observation: cosim.SiteObservation) -> cosim.SiteAction:
        self.steps += 1
        if self.cap == 13:
            raise RuntimeError("bad luck")
        return cosim.SiteAction(batch_cap=self.cap)


def line_of(text: str) -> int:
    """The number of the line of this file that has a text."""
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123
        return next(number for number, line in enumerate(file, start=1) if text in line)
