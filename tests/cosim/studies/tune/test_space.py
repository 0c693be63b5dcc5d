"""Parameters that are searched: their ranges, and the values at places of their axes."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from controllers import Controller, SiteAction, SiteContext, SiteObservation
from cosim.errors import ScenarioError
from cosim.scenario.controllers import parameters_model
from cosim.studies.tune.space import Entry, Parameter, Range, Space, places, space_of


class Many(Controller):
    """A controller with parameters of all kinds."""

    def __init__(
        self,
        *,
        share: Annotated[float, Field(ge=0, le=1)] = 0.3,
        below: Annotated[float, Field(gt=0, lt=2)] = 1.0,
        quantile: Annotated[float | None, Field(ge=0, le=1)] = None,
        inner: Annotated[float, Field(gt=0, le=0.5)] | None = None,
        count: Annotated[int, Field(ge=1, le=4)] = 2,
        on: bool = True,
        mode: Literal["fast", "slow"] = "fast",
        gain: Annotated[float, Field(gt=0)] = 1.0,
        free: float = 7.0,
        anything=None,  # type: ignore[no-untyped-def]
    ) -> None: ...

    def reset(self, context: SiteContext) -> None: ...

    def step(self, observation: SiteObservation) -> SiteAction:
        return SiteAction()


def entry(name: str = "many", number: int = 0, **given: object) -> Entry:
    model = parameters_model("many", Many)
    return Entry(name, f"evaluation.policies.0.controllers.{number}", model, given)


def space(ranges: dict[str, Range] | None = None, *fixed: str, **given: object) -> Space:
    return space_of([entry(**given)], ranges or {}, fixed)


def test_ranges_booleans_and_choices_are_searched() -> None:
    found = space()
    extents = {parameter.name: parameter for parameter in found.parameters}
    assert list(extents) == ["share", "below", "quantile", "inner", "count", "on", "mode"]
    assert (extents["below"].low, extents["below"].high) == (0, 2)
    assert (extents["inner"].low, extents["inner"].high) == (0, 0.5)
    assert extents["on"].choices == (False, True)
    assert extents["mode"].choices == ("fast", "slow")
    assert extents["count"].extent == "count 1 to 4, whole numbers"
    assert extents["quantile"].extent == "quantile 0 to 1 or unset"
    assert found.unsearched == ("gain", "free", "anything")
    assert found.defaults == (0.3, 1.0, None, None, 2, True, "fast")


def test_ranges_may_be_given_and_parameters_left_out() -> None:
    found = space({"gain": (0.01, 10), "share": (0.2, 0.4)}, "on", "mode", share=0.25)
    by_name = {parameter.name: parameter for parameter in found.parameters}
    assert by_name["gain"].is_log
    assert by_name["gain"].extent == "gain 0.01 to 10, logarithmic"
    assert not by_name["share"].is_log
    assert by_name["share"].default == 0.25
    assert not {"on", "mode"} & by_name.keys()
    assert found.unsearched == ("free", "anything")


def test_several_controllers_have_their_names_before() -> None:
    entries = [entry(), entry("other", 1)]
    assert places(entries)["other.gain"] == "evaluation.policies.0.controllers.1.gain"
    found = space_of(entries, {"other.gain": (1, 2)}, ["many.share"])
    names = [parameter.name for parameter in found.parameters]
    assert "many.share" not in names
    assert {"many.below", "other.share", "other.gain"} <= set(names)


@pytest.mark.parametrize(
    ("ranges", "fixed", "message"),
    [
        ({"gian": (0, 1)}, (), "no parameter 'gian'; did you mean 'gain'?"),
        ({}, ("shar",), "no parameter 'shar'; did you mean 'share'?"),
        ({"share": (0, 1.5)}, (), "--range share: must lie within 0 to 1 (got 0 to 1.5)"),
        ({"gain": (-1, 1)}, (), "--range gain: must lie within 0 and above (got -1 to 1)"),
        ({"on": (0, 1)}, (), "--range on: it has no range but the values false, true"),
        ({"share": (0, 1)}, ("share",), "'share' has both a --range and a value by --fix"),
    ],
)
def test_ranges_that_cannot_be(
    ranges: dict[str, Range], fixed: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ScenarioError) as raised:
        space(ranges, *fixed)
    assert message in str(raised.value)


PARAMETERS = [
    Parameter(name="linear", path="", default=0.3, low=-1.0, high=3.0),
    Parameter(name="log", path="", default=0.3, low=1e-3, high=10.0),
    Parameter(name="whole", path="", default=2, low=1, high=4, whole=True),
    Parameter(name="choices", path="", default="a", choices=("a", "b", "c")),
    Parameter(name="unset", path="", default=None, low=0.0, high=1.0),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_every_value_has_its_place(parameter: Parameter) -> None:
    """There and back again; values stay in their range."""
    for unit in (0.0, 0.1, 0.21, 0.5, 0.77, 1.0):
        value = parameter.value(unit)
        place = parameter.unit(value)
        assert place is not None
        assert 0 <= place <= 1
        assert parameter.value(place) == value
        if not parameter.choices and value is not None:
            assert parameter.low <= float(value) <= parameter.high


def test_places_on_an_axis_by_hand() -> None:
    linear, log, whole, choices, unset = PARAMETERS
    assert linear.value(0.25) == 0.0
    assert log.value(0.5) == 0.1
    assert [whole.value(unit) for unit in (0, 0.2499, 0.25, 0.999, 1)] == [1, 1, 2, 4, 4]
    assert [choices.value(unit) for unit in (0.3, 0.34, 1)] == ["a", "b", "c"]
    assert [unset.value(unit) for unit in (0.19, 0.2, 0.6, 1)] == [None, 0.0, 0.5, 1.0]
    assert linear.unit(7.0) is None
    assert choices.unit("d") is None
    assert linear.unit(None) is None
