"""Three small runs of one scenario: with a controller, without one, and with a larger battery."""

from __future__ import annotations

from pathlib import Path

from tests.cosim.builders import BASE
from tests.cosim.report.folders import ran

CLASSES = (
    "workload.classes=[{name: chat, share: 0.5, slo: {ttft_s: 1000}}, "
    "{name: batch, share: 0.5, deferrable: true, deadline: 5min, until: 10min}]"
)
COMMON = (
    CLASSES,
    "sites.0.microgrid.price={type: constant, value_per_kwh: 0.1}",
    "sites.0.microgrid.solar.peak_power_w=100",
    "sites.0.cluster.host_power_w=20",  # so that the battery weighs
)
SETTINGS = {
    "plain": ("controllers=[]",),
    "windows": ("controllers=[{type: clean_windows}]",),
    "large": ("controllers=[]", "sites.0.microgrid.battery.capacity_wh=400"),
}


def three_runs(folder: Path) -> list[Path]:
    """Run them, and return their result folders."""
    return [ran(BASE, folder / name, *COMMON, *settings) for name, settings in SETTINGS.items()]
