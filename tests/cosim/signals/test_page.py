"""The page on signals agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from cosim.scenario.recorded import RecordedKeys
from cosim.scenario.signals import CarbonIntensity, MarginalIntensity, Price, Solar
from cosim.signals.formats import FORMATS
from cosim.signals.mix import emission_factors
from tests.cosim.builders import REPOSITORY

PAGE = (REPOSITORY / "docs" / "signals.md").read_text(encoding="utf-8")
SIGNALS: dict[str, TypeAdapter[Any]] = {
    "carbon_intensity": TypeAdapter(CarbonIntensity),
    "marginal_carbon_intensity": TypeAdapter(MarginalIntensity),
    "solar": TypeAdapter(Solar),
    "price": TypeAdapter(Price),
}
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)


def test_every_format_has_a_row() -> None:
    table = PAGE.split("### Emission factors")[0].split("| `format` | file |")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(FORMATS)


def test_factors() -> None:
    rows = PAGE.split("### Emission factors")[1].split("Any of them")[0]
    names, _, values = re.findall(r"^\|(.*)\|$", rows, re.M)
    shown = dict(
        zip(
            (name.strip() for name in names.split("|")),
            (float(value) for value in values.split("|")),
            strict=True,
        )
    )
    assert shown == {name: one.g_per_kwh for name, one in emission_factors().items()}


def test_every_key_of_a_file_is_described() -> None:
    for key in RecordedKeys.model_fields:
        assert f"`{key}`" in PAGE or f"`{key}: " in PAGE or f"{key}: " in PAGE, key


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_valid(text: str, tmp_path: Path) -> None:
    for signal, config in yaml.safe_load(text).items():
        if "path" in config:
            path = tmp_path / config["path"]
            path.write_text("a,b\n")
            config["path"] = str(path)
        assert SIGNALS[signal].validate_python(config).type == config["type"]
