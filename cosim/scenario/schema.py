"""The JSON Schema of scenario files, for editors; ``scenarios/schema.json`` is a copy of it."""

from __future__ import annotations

import json
from typing import Any

from controllers import BUILTIN
from cosim.scenario.controllers import ControllerEntry, parameters_model
from cosim.scenario.scenario import Scenario


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema: the scenario's, with an entry for each built-in controller."""
    schema: dict[str, Any] = Scenario.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    entries = []
    for name, controller in BUILTIN.items():
        entry = parameters_model(name, controller).model_json_schema()
        definitions |= entry.pop("$defs", {})
        entry["properties"]["type"] = {"const": name}
        entry["description"] = entry.get("description", "").split("\n")[0]
        definitions[f"controller_{name}"] = entry
        entries.append({"$ref": f"#/$defs/controller_{name}"})
    own = ControllerEntry.model_json_schema()
    own["title"] = own["description"] = "A controller of your own."
    own["properties"]["type"] = {"type": "string", "pattern": r"\.py:\w+$"}
    own["additionalProperties"] = True
    definitions |= own.pop("$defs", {})
    definitions["own_controller"] = own
    entries.append({"$ref": "#/$defs/own_controller"})
    schema["properties"]["controllers"]["items"] = {"anyOf": entries}
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "Another scenario file, of which this one overrides parts.",
    }
    # A scenario that extends another one need not be complete.
    schema["if"] = {"not": {"required": ["extends"]}}
    schema["then"] = {"required": schema.pop("required")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cosim scenario",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def schema_text() -> str:
    """Return the schema as the repository ships it."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"
