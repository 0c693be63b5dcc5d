"""The pages made from the code: complete, and without links that lead nowhere."""

from __future__ import annotations

import inspect
import re

import pytest

from controllers import ACTUATORS, BUILTIN
from cosim.scenario.schema import scenario_schema
from docs.site_builder.api_pages import PACKAGES, ROOT, api_pages, public_modules
from docs.site_builder.policy_page import policy_page
from docs.site_builder.scenario_page import scenario_page

SCHEMA = scenario_schema()
SCENARIO_PAGE, POLICY_PAGE = scenario_page(), policy_page()
SECTIONS = {
    name: definition
    for name, definition in SCHEMA["$defs"].items()
    if not name.startswith("controller_") and name != "own_controller"
}


def section(page: str, anchor: str) -> str:
    """The part of a page between a heading and the next."""
    return re.split(r"\n##+ ", page.split(f"{{ #{anchor} }}\n")[1])[0]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the table in a text, by what their first cells name."""
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M)
    return {key: re.split(r" (?<!\\)\| ", rest) for key, rest in found}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_the_schema_has_its_row(name: str) -> None:
    table = rows(section(SCENARIO_PAGE, name))
    properties = SECTIONS[name]["properties"]
    assert list(table) == list(properties)
    for key, (value, default, meaning) in table.items():
        assert value
        assert (default == "required") == (key in SECTIONS[name].get("required", []))
        assert meaning == " ".join(properties[key]["description"].split()).replace("|", "\\|")


def test_top_level_keys_are_all_there() -> None:
    top = SCENARIO_PAGE.split("\n## Top level\n")[1].split("\n## ")[0]
    assert set(rows(top)) == set(SCHEMA["properties"])


@pytest.mark.parametrize("page", [SCENARIO_PAGE, POLICY_PAGE], ids=["scenario", "policies"])
def test_links_within_a_page_have_their_ends(page: str) -> None:
    anchors = re.findall(r"^##+ .*\{ #(\w+) \}$", page, re.M)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= set(anchors)
    headings = re.findall(r"^##+ (.*?)(?: \{|$)", page, re.M)
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize("name", BUILTIN)
def test_every_parameter_of_a_policy_has_its_row(name: str) -> None:
    parameters = dict(inspect.signature(BUILTIN[name].__init__).parameters)
    own = [key for key, one in parameters.items() if one.kind is one.KEYWORD_ONLY]
    table = rows(section(POLICY_PAGE, name))
    assert list(table) == own
    for key, (_, default, _) in table.items():
        given = parameters[key].default
        if isinstance(given, str):
            assert default == f"`{given}`"
        elif isinstance(given, (int, float)) and not isinstance(given, bool):
            assert float(default.strip("`")) == given
    assert f"](policies.md#{name})" in SCENARIO_PAGE


def test_every_actuator_has_its_row() -> None:
    assert list(rows(POLICY_PAGE.split("\n## Actuators\n")[1])) == list(ACTUATORS)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_module_has_its_page(package: str) -> None:
    pages = api_pages()
    modules = [name for name, _ in public_modules(package)]
    assert package in modules
    for source in (ROOT / package).rglob("*.py"):
        name = ".".join(source.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        command_line = source.stem in {"cli", "printing"}
        private = source.stem.startswith("_") and source.stem != "__init__"
        assert (name in modules) == (not command_line and not private), name
    for name in modules:
        assert f"::: {name}\n" in pages[f"api/{name}.md"]
    listed = re.findall(
        r"^\| \[`([\w.]+)`\]\(([\w.]+)\.md\) \| .+ \|$", pages[f"api/{package}-modules.md"], re.M
    )
    assert listed == [(name, name) for name in modules]
