"""docs/calibration.md: its telemetry is what it says, and the columns are those that are read."""

from __future__ import annotations

import os
import re

from cosim.calibrate.power import MEASURED_USE
from cosim.calibrate.record import COLUMNS as RECORDED
from cosim.calibrate.rows import COLUMNS
from tests.cosim.calibrate.builders import PAGE_ENGINE, PAGE_POWER, page_telemetry
from tests.test_docs import ROOT, blocks, renew

PAGE = "docs/calibration.md"


def test_the_pages_telemetry_is_made_by_the_simulator() -> None:
    (block,) = (one for one in blocks(PAGE) if one.note == "file: telemetry.csv")
    made = page_telemetry()
    if block.text != made and os.environ.get("UPDATE_DOCS"):
        renew(PAGE, block, made)
    else:
        assert block.text == made, "UPDATE_DOCS=1 renews it"


def test_the_page_tells_what_is_true_of_it() -> None:
    text = " ".join((ROOT / PAGE).read_text(encoding="utf-8").split())
    base, compute, memory, sampling = PAGE_POWER
    assert f"{base:g}, {compute:g}, {memory:g} and {sampling:g} W" in text
    fixed, each = PAGE_ENGINE.serial_s * 1e3, PAGE_ENGINE.sampling_s_per_sequence * 1e6
    assert f"{fixed:g} ms and {each:g} us" in text


def test_the_page_tells_every_column() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    cells = re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.M)
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named >= {"power_w", *COLUMNS, *MEASURED_USE, *RECORDED}
