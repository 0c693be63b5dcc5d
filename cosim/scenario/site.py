"""Scenario keys of a site: a cluster (or a plain load) on a microgrid."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from cosim.scenario.cluster import AnyClusterKeys
from cosim.scenario.fields import PlainName, StrictModel
from cosim.scenario.microgrid import Microgrid
from cosim.scenario.recorded import known_timezone
from cosim.scenario.signals import Load
from cosim.scenario.workload import Workload


class Location(StrictModel):
    """Location of a site."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    """Degrees north."""
    longitude: Annotated[float, Field(ge=-180, le=180)]
    """Degrees east."""
    altitude_m: Annotated[float, Field(ge=-430, le=9000)] = 0.0
    """Height above the sea [m]: thinner air lets more of the sun through."""


class Site(StrictModel):
    """One place: a cluster, or a plain load, on a microgrid."""

    name: PlainName
    """Name of the site."""
    location: Location | None = None
    """Its location; needed for computed solar power."""
    timezone: Annotated[str, AfterValidator(known_timezone)] | None = None
    """IANA time zone of its charts and tables, such as ``Europe/Berlin``. By default the hours
    from UTC by the longitude of its location, else those of the area of a built-in carbon
    intensity, else UTC."""
    cluster: AnyClusterKeys | None = None
    """The serving deployment."""
    load: Load | None = None
    """A plain load in place of a cluster."""
    workload: Workload | None = None
    """The site's own workload, in place of the scenario's."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the scenario's workload that comes to this site."""
    microgrid: Microgrid
    """Its power supply."""

    @model_validator(mode="after")
    def _one_load(self) -> Site:
        if (self.cluster is None) == (self.load is None):
            raise ValueError("expected either `cluster` or `load`")
        if self.cluster is None and (self.workload or self.share):
            raise ValueError("`workload` and `share` go with a `cluster`")
        if self.workload is not None and self.share is not None:
            raise ValueError("expected a `workload` of its own or a `share`, not both")
        return self
