"""Scenario keys of a carbon intensity that is asked for while the run goes on."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from cosim.scenario.fields import DurationS, StrictModel


class LiveCarbon(StrictModel):
    """A carbon intensity that a server is asked for, with ``cosim run --live``."""

    type: Literal["live"]
    """Ask a server; the run must be live."""
    url: str
    """Address that answers in JSON, http or https."""
    format: Literal["neso", "watttime"]
    """neso: Great Britain's Carbon Intensity API, average. watttime: version 3 of WattTime's API,
    marginal."""
    every: Annotated[DurationS, Field(gt=0)] = 300.0
    """How often it is asked."""
    stale_after: Annotated[DurationS, Field(gt=0)] = 3600.0
    """Age from which a value is flagged as stale, counted from the start of its interval."""
    token_env: str | None = None
    """Environment variable with a token, sent as ``Authorization: Bearer``; none by default."""

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not re.match(r"https?://[^\s/]+", value):
            raise ValueError(f"expected an address such as https://example.org/now (got {value!r})")
        return value

    @property
    def kind(self) -> Literal["average", "marginal"]:
        """What the service publishes."""
        return "average" if self.format == "neso" else "marginal"
