"""Result folders to report on: small runs, and a year that was never run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from tests.cosim.builders import BASE, edited, write

PLAIN = edited(
    (
        "    cluster:\n      model: meta-llama/Meta-Llama-3-8B\n      gpu: h100-sxm-80gb\n",
        "    load: {type: constant, power_w: 300}\n",
    ),
    (
        "workload:\n  arrivals: {type: poisson, rate_per_s: 0.5}\n"
        "  lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}\n",
        "",
    ),
    (
        "controllers:\n  - {type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}\n",
        "",
    ),
)
"""A site with a constant load in place of a cluster."""

NO_BATTERY = edited(
    ("      battery: {type: clc, capacity_wh: 100, initial_soc: 0.8, min_soc: 0.2}\n", "")
)


def ran(text: str, out: Path, *settings: str) -> Path:
    """Run a scenario, and return its folder."""
    scenario = write(out.parent / f"{out.name}.yaml", text)
    execute(load_plan(scenario, settings), out)
    return out


def two_classes(out: Path, *settings: str) -> Path:
    """Run twenty minutes with two classes, and two actuators that change every minute."""
    controller = out.parent / "swing.py"
    controller.write_text(
        "from controllers import Controller, SiteAction\n\n"
        "class Swing(Controller):\n"
        "    actuators = frozenset({'batch_cap', 'admission_rate'})\n"
        "    def reset(self, context): self.odd = False\n"
        "    def step(self, observation):\n"
        "        self.odd = not self.odd\n"
        "        rate = 0.2 if self.odd else float('inf')\n"
        "        cap = 4 if self.odd else 8\n"
        "        return SiteAction(batch_cap=cap, admission_rate_per_s=rate,"
        " reason='<swings> & \"sways\"')\n",
        encoding="utf-8",
    )
    chat = "{name: chat, share: 0.5, slo: {ttft_s: 1000}}"
    classes = f"workload.classes=[{chat}, {{name: batch, share: 0.5}}]"
    price = "sites.0.microgrid.price={type: constant, value_per_kwh: 0.1}"
    return ran(
        BASE, out, classes, price, f"controllers=[{{type: '{controller}:Swing'}}]", *settings
    )


def stretched(folder: Path, out: Path, steps: int, sites: int = 1) -> Path:
    """Make a folder as if a run had taken so many steps, of noise, at so many sites."""
    shutil.copytree(folder, out)
    table = pq.read_table(folder / "steps.parquet")
    rng = np.random.default_rng(1)
    summary = json.loads((out / "summary.json").read_bytes())
    (site, section), *_ = summary["sites"].items()
    names = [site, *(f"{site}-{k}" for k in range(1, sites))]
    noise = rng.lognormal(3, 1, steps)
    noise[rng.random(steps) < 0.01] = np.nan
    parts = []
    for name in names:
        columns = {"site": pa.array([name] * steps), "step": pa.array(range(steps))}
        columns["time_s"] = pa.array(np.arange(steps) * 60.0)
        for k, column in enumerate(table.column_names[4:]):
            columns[column] = pa.array(np.roll(noise, 997 * k), from_pandas=True)
        columns["battery_soc"] = pa.array(rng.random(steps))
        parts.append(pa.table(columns))
    steps_table = pa.concat_tables(parts)
    pq.write_table(steps_table, out / "steps.parquet", use_dictionary=["site"])
    summary["time"] |= {"steps": steps, "duration_s": steps * 60}
    summary["sites"] = dict.fromkeys(names, section)
    (out / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return out
