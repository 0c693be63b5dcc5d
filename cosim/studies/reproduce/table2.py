"""Table 2, by the paper's definitions and by correct ones.

The energy side of the case study alone: the constant load that the paper's code put into Vessim.
With the paper's own files (``--data``) its values come out; they may not be redistributed, so that
without them built-in signals stand in, and the values differ.

Paper mode has the paper's definitions and the battery that its code really had (516.8 Wh).
Corrected is the same load with the 100 Wh of its text, and for each row what is right in its place:

    grid_kwh          imported energy, not the absolute net exchange
    renewable_share   self-sufficiency: the share of the demand that was not imported
    grid_dependency   imported over demand
    offset_kg, net_g  emissions that were avoided; emissions of the import
    carbon_offset     avoided over total

The rows below, from `EXTRA`, have the correct accounting with either battery.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd

from cosim.errors import ScenarioError
from cosim.results.totals import RunTotals
from cosim.studies.reproduce.cases import paper
from cosim.studies.reproduce.rows import Row

TRUE_BATTERY_WH = 100.0  # of the paper's Table 1b
EXTRA = ("import_kwh", "export_kwh", "self_sufficiency", "import_g", "export_credit_g")


@dataclass(frozen=True, slots=True)
class CaseStudy:
    """The case study, run with the battery of the paper's code and with that of its text.

    Attributes:
        rows: The rows of Table 2, and more.
        steps, corrected_steps: A row per minute, as ``steps.parquet`` has them.
        signals: Where the signals came from, in words.
    """

    rows: list[Row]
    steps: pd.DataFrame
    corrected_steps: pd.DataFrame
    signals: str

    @property
    def modes(self) -> dict[str, pd.DataFrame]:
        """The steps by mode."""
        return {"paper_mode": self.steps, "corrected": self.corrected_steps}


def run_table2(data: Path | None = None) -> CaseStudy:
    """Run the case study.

    Args:
        data: Folder with the paper's two files, found by their columns: ``pv_fraction``, and one
            that ends in ``_g_per_kwh``. None for the built-in signals.

    Raises:
        ScenarioError: If the folder does not have one file of each.
    """
    settings, signals = _settings(data)
    totals, steps = _run(settings)
    battery = [f"sites.0.microgrid.battery.capacity_wh={TRUE_BATTERY_WH:g}"]
    right, right_steps = _run([*settings, *battery])
    published = paper()["table2"]["published"]
    own, corrected = _table2(totals), _corrected(right)
    rows = [_row(name, published[name], own[name], corrected[name]) for name in published]
    paper_battery, true_battery = _extra(totals), _extra(right)
    rows += [_row(name, None, paper_battery[name], true_battery[name]) for name in EXTRA]
    return CaseStudy(rows, steps, right_steps, signals)


def _row(name: str, published: float | None, ours: float | None, right: float | None) -> Row:
    return Row("table2", {"row": name}, {"value": published}, {"value": ours}, {"value": right})


def _run(settings: list[str]) -> tuple[RunTotals, pd.DataFrame]:
    from cosim.results.folder import steps_frame
    from cosim.studies.runs.execute import execute
    from cosim.world.plan import load_plan

    with as_file(files("cosim.studies.reproduce").joinpath("table2.yaml")) as scenario:
        result = execute(load_plan(scenario, settings))
    if result.run.failure is not None:
        raise result.run.failure
    totals = result.summary.totals
    assert totals is not None  # noqa: S101 - it did not fail
    return totals, steps_frame(result.run)


def _table2(totals: RunTotals) -> dict[str, float | None]:
    """Return the rows by the paper's definitions."""
    assert totals.paper is not None  # noqa: S101 - the scenario asks for them
    return asdict(totals.paper)


def _corrected(totals: RunTotals) -> dict[str, float | None]:
    """Return the correct value in place of each row."""
    imported, carbon = totals.energy_kwh.import_, totals.carbon_g
    avoided_g, self_sufficiency = carbon.gross - carbon.import_, _self_sufficiency(totals)
    return {
        **_table2(totals),
        "grid_kwh": imported,
        "renewable_share": self_sufficiency,
        "grid_dependency": 1 - self_sufficiency,
        "total_emissions_kg": carbon.gross / 1000,
        "offset_kg": avoided_g / 1000,
        "net_g": carbon.import_,
        "carbon_offset": avoided_g / carbon.gross,
    }


def _extra(totals: RunTotals) -> dict[str, float]:
    energy, carbon = totals.energy_kwh, totals.carbon_g
    return {
        "import_kwh": energy.import_,
        "export_kwh": energy.export,
        "self_sufficiency": _self_sufficiency(totals),
        "import_g": carbon.import_,
        "export_credit_g": carbon.export_credit,
    }


def _self_sufficiency(totals: RunTotals) -> float:
    assert totals.grid is not None  # noqa: S101 - of one site
    return totals.grid.self_sufficiency


def _settings(data: Path | None) -> tuple[list[str], str]:
    """Return the settings of the scenario, and the sources of the signals."""
    if data is None:
        return [], (
            "built-in signals: clear-sky solar in San Francisco, typical June day of CISO. The "
            "paper's own may not be redistributed; --data DIR reads them, and its values come out"
        )
    solar, carbon = _find(data)
    resample = "align: start, resample: {method: cubic, to: 1min}"
    place = "sites.0.microgrid"
    return [
        f"{place}.solar={{type: csv, path: '{solar.resolve()}', unit: fraction, "
        f"peak_power_w: 600, stamp: end, {resample}}}",
        f"{place}.carbon_intensity={{type: csv, path: '{carbon.resolve()}', unit: g/kWh, "
        f"kind: marginal, {resample}}}",
    ], f"solar from {solar.name}, carbon intensity from {carbon.name}"


def _find(data: Path) -> tuple[Path, Path]:
    """Return the files of solar and carbon intensity in a folder."""
    if not data.is_dir():
        raise ScenarioError(f"--data {data}: not a folder")
    columns = {path: _columns(path) for path in sorted(data.glob("*.csv"))}
    solar = [path for path, names in columns.items() if "pv_fraction" in names]
    carbon = [
        path
        for path, names in columns.items()
        if any(name.endswith("_g_per_kwh") for name in names)
    ]
    for signal, paths, column in (
        ("solar", solar, "pv_fraction"),
        ("carbon intensity", carbon, "..._g_per_kwh"),
    ):
        if len(paths) != 1:
            got = ", ".join(path.name for path in paths) or "none"
            raise ScenarioError(
                f"--data {data}: expected one CSV file of {signal}, with a column {column} "
                f"(got {got})"
            )
    return solar[0], carbon[0]


def _columns(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from error
