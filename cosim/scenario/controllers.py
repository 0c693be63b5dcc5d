"""The entries of ``controllers``: where a controller stands, and its own parameters.

The parameters of a controller are the keyword arguments of its class. A strict model is made from
that signature, so that a user's own controller is checked like a built-in one.
"""

from __future__ import annotations

import inspect
import typing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from controllers import Controller, Decoy, FleetController
from cosim.scenario.fields import DurationS, StrictModel

ControllerType = type[Controller] | type[FleetController]
PLACE = ("type", "site", "every", "clairvoyant", "agnostic", "decoy")
"""Keys of an entry that are not parameters of its controller."""


class MovedDecoy(StrictModel):
    """Carbon intensity and sun at other hours."""

    type: Literal["moved"]
    """They come later."""
    by: Annotated[DurationS, Field(gt=0)]
    """Time by which they come later."""


class ReorderedDecoy(StrictModel):
    """Carbon intensity and sun in another order."""

    type: Literal["other_days", "noise"]
    """other_days: each day is that of another one, of the run or of the week before it. noise: the
    hours are in random order."""
    draw: Annotated[int, Field(ge=1)] = 1
    """Number of the random order."""


DecoyKeys = Annotated[MovedDecoy | ReorderedDecoy, Field(discriminator="type")]


def decoy_of(keys: MovedDecoy | ReorderedDecoy | None) -> Decoy | None:
    """Return the decoy that keys describe."""
    match keys:
        case MovedDecoy():
            return Decoy("moved", by_s=keys.by)
        case ReorderedDecoy():
            return Decoy(keys.type, draw=keys.draw)
    return None


class ControllerEntry(StrictModel):
    """Keys of every entry of ``controllers``, whatever its type."""

    type: str
    """Name of a built-in controller, or `./file.py:Class` for one of your own."""
    site: str | None = None
    """The site that it controls; every site with a cluster by default."""
    every: DurationS | None = None
    """Control period, a multiple of the step; every step by default."""
    clairvoyant: bool = False
    """Whether its forecasts are perfect, whatever the scenario's are."""
    agnostic: bool = False
    """Whether it sees the mean of the carbon intensity in place of the intensity: a carbon-agnostic
    baseline, which separates savings from when work runs from savings from running less."""
    decoy: DecoyKeys | None = None
    """Decoy that it sees in place of carbon intensity and sun: it acts as on the truth, at the
    wrong times; `cosim evaluate` compares each policy with its decoys."""


class _BuiltEntry(ControllerEntry):
    """An entry whose other keys come from a signature, which has no docstrings to look for.

    pydantic would look for them in the source of every function that is being called.
    """

    model_config = ConfigDict(use_attribute_docstrings=False)


class _OpenEntry(_BuiltEntry):
    """An entry of a controller that takes ``**kwargs``."""

    model_config = ConfigDict(extra="allow")


def parameters_model(name: str, controller: ControllerType) -> type[BaseModel]:
    """Return a strict model of a controller's entry: its place, and its own parameters."""
    hints = typing.get_type_hints(controller.__init__, include_extras=True)
    fields: dict[str, Any] = {}
    open_ended = False
    for parameter in list(inspect.signature(controller.__init__).parameters.values())[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            open_ended = controller.__init__ is not object.__init__  # whose signature is a lie
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (hints.get(parameter.name, Any), default)
    clash = [key for key in fields if key in PLACE]
    if clash:
        raise ValueError(f"a parameter of '{name}' must not be called {' or '.join(clash)}")
    model: type[BaseModel] = create_model(
        name,
        __base__=_OpenEntry if open_ended else _BuiltEntry,
        __doc__=inspect.getdoc(controller),
        **fields,
    )
    return model
