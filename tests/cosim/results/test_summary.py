"""The summary as types and as JSON: there and back, and other files refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.report.run_data import read_summary
from cosim.results.folder import to_json
from cosim.results.summary import Summary
from cosim.results.totals import LoadTotals, ServingTotals
from tests.conftest import Runs
from tests.cosim.builders import (
    BASE,
    SCENARIOS,
    Ran,
    controlled,
    edited,
    run_text,
    write_controller,
)
from tests.cosim.report.folders import PLAIN

OFFICE = """\
  - name: office
    load: {type: constant, power_w: 300}
    microgrid: {carbon_intensity: {type: constant, value_g_per_kwh: 300}}
"""
EVERYTHING = (
    "accounting=paper",
    "sites.0.cluster.power_cap_w=400",
    "sites.0.microgrid.marginal_carbon_intensity={type: constant, value_g_per_kwh: 600}",
    "sites.0.microgrid.price={type: constant, value_per_kwh: 0.1}",
)


def mixed(tmp_path: Path) -> Ran:
    """A cluster and a plain load."""
    return run_text(tmp_path, BASE.replace("controllers:", f"{OFFICE}controllers:"))


def failed(tmp_path: Path, step: int) -> Ran:
    """A run that breaks off at a step."""
    body = f"assert step < {step}"
    return run_text(tmp_path, controlled(write_controller(tmp_path, body)))


@pytest.mark.parametrize(
    "make",
    [
        lambda path: run_text(path, BASE, *EVERYTHING),
        lambda path: run_text(path, PLAIN),
        lambda path: run_text(path, edited(("rate_per_s: 0.5", "rate_per_s: 1.0e-9"))),
        mixed,
        lambda path: failed(path, 3),
        lambda path: failed(path, 0),
    ],
    ids=["everything", "plain load", "no request", "mixed", "failed", "failed at once"],
)
def test_there_and_back(tmp_path: Path, make: Callable[[Path], Ran]) -> None:
    """To the file and back, and to the file again: the same summary, and the same bytes."""
    ran = make(tmp_path)
    text = (ran.folder / "summary.json").read_text(encoding="utf-8")
    summary = read_summary(ran.folder)
    assert summary == ran.result.summary
    assert to_json(summary.to_dict()) + "\n" == text
    assert Summary.from_dict(summary.to_dict()) == summary


def test_totals_are_of_the_kind_of_their_site(tmp_path: Path) -> None:
    summary = read_summary(mixed(tmp_path).folder)
    assert isinstance(summary.sites["dc"], ServingTotals)
    assert isinstance(summary.sites["office"], LoadTotals)
    assert isinstance(summary.totals, ServingTotals)
    assert summary.totals.batch is summary.totals.grid is summary.totals.deployment is None
    used = [site.energy_kwh.facility for site in summary.sites.values()]
    assert summary.totals.energy_kwh.facility == sum(used)
    assert summary.totals.energy_kwh.gpu == summary.sites["dc"].energy_kwh.gpu
    assert summary.sites["office"].energy_kwh.gpu is None


def test_a_single_site_is_the_total(runs: Runs) -> None:
    ran = runs(SCENARIOS / "quickstart.yaml", "time.duration=3h", "coupling=native")
    summary = ran.result.summary
    assert summary.totals is summary.sites["california"]


def test_what_a_site_lacks_has_no_key(tmp_path: Path) -> None:
    """Unless None says something, as of a battery: then the key is there, and null."""
    content = run_text(tmp_path, PLAIN).result.summary.to_dict()
    assert content["battery"] is not None
    absent = {"requests", "attribution", "marginal_carbon_g", "cost", "paper", "failure", "live"}
    assert not absent & set(content)
    assert not {"gpu", "host", "import_"} & set(content["energy_kwh"])
    assert not {"per_request", "import_"} & set(content["carbon_g"])
    assert "marginal_ci_mean_g_per_kwh" not in content["grid"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"facility":', '"facilty":', "energy_kwh.facility"),
        ('"kind": "average"', '"kind": 3', "carbon_g.kind"),
        ('"status": "completed"', '"status": "done"', "status"),
        ('"sites": {', '"places": {', "sites"),
    ],
)
def test_a_summary_of_another_make_is_refused(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    """With the first key that is not as it should be."""
    ran = run_text(tmp_path, BASE)
    path = ran.folder / "summary.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError, match=rf"summary\.json' is not the summary .*: {named}: "):
        read_summary(ran.folder)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"a"', '{"sites": 3}', "{}", '{"sites": [1]}'])
def test_what_is_json_and_no_summary_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"summary\.json' is not the summary of a run"):
        read_summary(tmp_path)


def test_what_is_not_json_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_bytes(b"{")
    with pytest.raises(CosimError, match=r"summary\.json' cannot be read"):
        read_summary(tmp_path)


def test_keys_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    content = run_text(tmp_path, BASE).summary
    content["later"] = content["sites"]["dc"]["later"] = {"x": 1}
    assert "later" not in json.dumps(Summary.from_dict(content).to_dict())
