"""The tables of pools in the report of a run, and the chart beside them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from cosim.report.lines import LineChart
from cosim.report.pools_table import pools_blocks
from cosim.report.run_report import folder_page
from cosim.results.totals import Deployment, PoolTotals
from tests.cosim.builders import controlled, run_text
from tests.cosim.loop.test_pools import text
from tests.cosim.summaries import TOTALS

LARGE = PoolTotals(
    deployment=Deployment(model="L", gpu="g", uncalibrated="", power_uncalibrated=""),
    replicas=2,
    gpus=8,
    completed={"chat": 30, "batch": 0},
    share=0.75,
    prompt_tokens=3000,
    output_tokens=300,
    gpu_kwh=1.5,
    host_kwh=0.5,
    gpu_j_per_output_token=18.0,
    embodied_g=250.0,
    quality={"mmlu": 0.6},
)
SMALL = replace(
    LARGE, gpus=1, completed={"chat": 10}, share=0.25, gpu_j_per_output_token=None, quality=None
)


def rows(markup: str) -> list[list[str]]:
    return [
        re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)
        for row in re.findall(r"<tr>(.*?)</tr>", markup, re.S)
    ]


def test_a_site_with_one_pool_has_none() -> None:
    assert pools_blocks(TOTALS) == []


def test_pools_stand_side_by_side_with_quality_by_class() -> None:
    quality = {"chat": {"mmlu": 0.55}}
    table, _, by_class = pools_blocks(
        replace(TOTALS, pools={"large": LARGE, "small": SMALL}, quality=quality)
    )
    head, large, small = rows(table)
    assert head[0] == "pool"
    assert head[-1] == "mmlu"
    assert large[:4] == ["large", "L", "8 x g", "30 (75.0 %)"]
    assert large[-3:] == ["18", "250.0", "0.6"]
    assert small[3] == "10 (25.0 %)"
    assert [small[5], small[-1]] == ["–", "–"]
    assert rows(by_class) == [["class", "mmlu"], ["chat", "0.55"]]


def test_without_scores_there_is_no_table_of_quality() -> None:
    assert len(pools_blocks(replace(TOTALS, pools={"small": SMALL, "tiny": SMALL}))) == 1


def test_the_page_of_a_run_has_them_with_a_chart(tmp_path: Path) -> None:
    page = folder_page(run_text(tmp_path, text()).folder)
    (section,) = [section for section in page.sections if section.key == "pools"]
    (chart,) = [block for block in section.blocks if isinstance(block, LineChart)]
    assert [line.name for line in chart.panels[0].series] == ["large", "small"]
    plain = folder_page(run_text(tmp_path, controlled()).folder)
    assert "pools" not in [section.key for section in plain.sections]
