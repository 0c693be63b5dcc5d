"""Scenario keys of a carbon intensity that is asked for while the run goes on."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cosim.scenario.fields import DurationS, StrictModel

_HERE = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")


def _web_address(value: str) -> str:
    """Check an address: what is sent in clear may go no further than this machine."""
    match = re.match(r"(https?)://([^\s/?#]+)", value)
    if match is None:
        raise ValueError(f"expected an address such as https://example.org/now (got {value!r})")
    scheme, host = match.groups()
    if "@" in host:
        raise ValueError("expected no name and password in an address: give `login`")
    if scheme == "http" and not _HERE.fullmatch(re.sub(r":\d+$", "", host)):
        raise ValueError(
            f"expected https://{host}...: over http anybody on the way can read the request and "
            "change the reply; http is for this machine (localhost) only"
        )
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


class Login(StrictModel):
    """Login for a token, as WattTime issues them: for half an hour, against name and password."""

    url: WebAddress
    """Address that answers ``{"token": ...}`` to a name and a password (HTTP Basic)."""
    user_env: str
    """Environment variable that holds the name."""
    password_env: str
    """Environment variable that holds the password."""


class LiveCarbon(StrictModel):
    """A carbon intensity from a server, with ``cosim run --live``."""

    type: Literal["live"]
    """Ask a server; the run must be live."""
    url: WebAddress
    """Address that answers in JSON: https, or http on this machine."""
    format: Literal["neso", "watttime"]
    """neso: Great Britain's Carbon Intensity API, average. watttime: version 3 of WattTime's API,
    marginal."""
    every: Annotated[DurationS, Field(gt=0)] = 300.0
    """Time between two polls."""
    stale_after: Annotated[DurationS, Field(gt=0)] = 3600.0
    """Age from which a value is flagged as stale, counted from the start of its interval."""
    login: Login | None = None
    """Login for a token, renewed whenever it has expired; none by default."""

    @property
    def kind(self) -> Literal["average", "marginal"]:
        """Kind of the intensity that the service publishes."""
        return "average" if self.format == "neso" else "marginal"
