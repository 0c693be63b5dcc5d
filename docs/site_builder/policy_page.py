"""The catalogue of the policies that come with the package, from their signatures."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from controllers import ACTUATORS, BUILTIN, Controller, FleetController
from cosim.scenario.controllers import ControllerEntry, parameters_model
from docs.site_builder.tables import key_table, one_line, table

PAGE = "reference/policies.md"

_HEAD = """# Policies and their parameters

The policies that scenarios can name, made from their signatures. Beside its own parameters every
entry of `controllers` takes those that the [scenario reference](scenario.md#controllers) lists.
`cosim controllers show NAME` prints the same in a terminal.
"""
_END = """## Actuators

The values that a policy may set. An actuator belongs to one controller of a site.
"""


def policy_page() -> str:
    """Return the page, in Markdown."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    summaries = [(f"[`{name}`](#{name})", _summary(policy)) for name, policy in BUILTIN.items()]
    yield table(("policy", "what it does"), summaries)
    for name, policy in BUILTIN.items():
        yield f"## `{name}` {{ #{name} }}\n"
        yield _summary(policy) + "\n"
        yield from _declared(policy)
        properties, required = _parameters(name, policy)
        if properties:
            yield key_table(properties, required, str)
        else:
            yield "It has no parameters.\n"
        yield f"Class: [`{policy.__name__}`][{policy.__module__}.{policy.__name__}].\n"
    yield _END
    rows = [
        (f"`{name}`", f"`{one.field}`", one.unit, one_line(one.description))
        for name, one in ACTUATORS.items()
    ]
    yield table(("actuator", "field of `SiteAction`", "unit", "meaning"), rows)


def _summary(policy: type[Controller] | type[FleetController]) -> str:
    return (inspect.getdoc(policy) or "").partition("\n")[0]


def _declared(policy: type[Controller] | type[FleetController]) -> Iterator[str]:
    """Yield the actuators and forecasts that a policy declares with its defaults."""
    try:
        declared: Any = policy()
    except TypeError:  # a parameter has no default
        declared = policy
    if declared.actuators:
        names = ", ".join(f"`{name}`" for name in sorted(declared.actuators))
        yield f"Sets {names}, unless its parameters say otherwise.\n"
    if declared.forecasts:
        names = ", ".join(f"`{name}`" for name in sorted(declared.forecasts))
        yield f"Looks at forecasts of {names}.\n"


def _parameters(
    name: str, policy: type[Controller] | type[FleetController]
) -> tuple[Mapping[str, Any], list[str]]:
    """Return the schemas of a policy's own parameters, and which are required."""
    schema = parameters_model(name, policy).model_json_schema()
    place = ControllerEntry.model_fields
    own = {key: value for key, value in schema["properties"].items() if key not in place}
    return own, schema.get("required", [])
