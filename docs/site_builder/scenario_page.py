"""The scenario reference: every key of a scenario file, from its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cosim.scenario.schema import scenario_schema
from docs.site_builder.schema_words import references
from docs.site_builder.tables import key_table, one_line, table

PAGE = "reference/scenario.md"
POLICIES = "policies.md"

_HEAD = """# Scenario reference

Every key of a scenario file, made from the schema that scenarios are checked against
(`cosim schema` prints it, and `scenarios/schema.json` is a copy of it). Unknown keys and values
that are out of bounds are errors, with file, line and column.

- A **duration** is a number of seconds, or one with a unit: `5ms`, `90s`, `15min`, `25h`, `7d`.
- A **path** is relative to the file that it stands in, and in `--set` to the working directory.
- Units stand in the names of keys: `_w` is watts, `_wh` watt-hours, `_g_per_kwh` grams of
  CO₂-equivalent per kilowatt-hour.
- `cosim run FILE --set sites.frankfurt.cluster.replicas=2` sets any key from the command line; an
  item of a list has its name, if it has one, or its number from 0 (`sites.0.cluster.replicas`).
- `extends: other.yaml` takes the keys of another file, but for its `description`.
"""


def scenario_page() -> str:
    """Return the page, in Markdown."""
    schema = scenario_schema()
    return "\n".join(_Reference(schema).parts())


class _Reference:
    """The sections of a schema: one for each definition, under the top-level key it comes from."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Any] = schema["$defs"]
        self._places: dict[str, list[str]] = {}
        self._home: dict[str, str] = {}
        for key, value in schema["properties"].items():
            if key != "controllers":
                self._visit(value, key, key, ())
                continue
            for name, inner in self._definitions["own_controller"]["properties"].items():
                self._visit(inner, f"{key}[].{name}", key, ())

    def parts(self) -> Iterator[str]:
        yield _HEAD
        yield "## Top level\n"
        properties = dict(self._schema["properties"])
        entries = properties.pop("controllers")
        listed = {**entries, "items": {"type": "object"}}
        properties["controllers"] = listed
        yield key_table(properties, self._schema["then"]["required"], self._link)
        for key in self._schema["properties"]:
            sections = [name for name, home in self._home.items() if home == key]
            if key == "controllers":
                yield from self._controllers()
            for name in sections:
                yield from self._section(name)

    def _visit(self, value: Any, place: str, top: str, within: tuple[str, ...]) -> None:
        """Note where each definition is used, depth first."""
        place = f"{place}[]" if "items" in value else place
        for name in references(value):
            places = self._places.setdefault(name, [])
            self._home.setdefault(name, top)
            known = bool(places)
            if place not in places and len(places) < 8:
                places.append(place)
            if name not in within and not known:
                for key, inner in self._definitions[name].get("properties", {}).items():
                    self._visit(inner, f"{place}.{key}", top, (*within, name))

    def _section(self, name: str) -> Iterator[str]:
        definition = self._definitions[name]
        top = self._places[name][0].removesuffix("[]") == self._home[name]
        title = self._home[name] if top else self._title(name)
        yield f"{'##' if top else '###'} {title} {{ #{name} }}\n"
        yield one_line(definition.get("description", "")) + "\n"
        yield f"At {', '.join(f'`{place}`' for place in self._places[name])}.\n"
        yield key_table(definition["properties"], definition.get("required", ()), self._link)

    def _title(self, name: str) -> str:
        """The key it stands at; with its type, where the key has several."""
        key = self._places[name][0].rpartition(".")[2].removesuffix("[]")
        kind = self._definitions[name]["properties"].get("type")
        if kind is None:
            return f"`{key}`{self._apart(name)}"
        listed = kind["anyOf"][0] if "anyOf" in kind else kind  # with a name of the user's
        values = [listed["const"]] if "const" in listed else listed["enum"]
        return f"`{key}`: {values[0]}{' and others' if len(values) > 1 else ''}"

    def _apart(self, name: str) -> str:
        """What tells a definition from others without a type at its place; empty without any."""
        place = self._places[name][0]
        others = [
            set(self._definitions[other]["properties"])
            for other, places in self._places.items()
            if other != name and places[0] == place
        ]
        if not others or any("type" in keys for keys in others):
            return ""
        required = self._definitions[name].get("required", ())
        own = [key for key in required if not any(key in keys for keys in others)]
        return f" with {own[0]}" if own else ""

    def _link(self, name: str) -> str:
        definition = self._definitions[name]
        kind = definition["properties"].get("type", {})
        text = f"`type: {kind['const']}`" if "const" in kind else f"{self._title(name)}"
        return f"[{text}](#{name})"

    def _controllers(self) -> Iterator[str]:
        own = self._definitions["own_controller"]
        yield "## controllers\n"
        yield "Keys of every entry of the list, beside the parameters of its controller.\n"
        properties = dict(own["properties"])
        names = "name of a policy, or `./file.py:Class` for one of your own"
        properties["type"] = {"type": "string", "description": names}
        yield key_table(properties, own["required"], self._link)
        yield "Policies that come with the package, each with its parameters:\n"
        rows = [
            (f"[`{name}`]({POLICIES}#{name})", one_line(definition["description"]))
            for key, definition in self._definitions.items()
            if (name := key.removeprefix("controller_")) != key
        ]
        yield table(("policy", "what it does"), rows)
