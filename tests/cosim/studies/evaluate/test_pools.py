"""The evaluation of a scenario with several pools: it runs, and says why it has no bound."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Cli
from tests.cosim.builders import write, write_controller
from tests.cosim.loop.test_pools import text


def test_it_runs_and_says_that_there_is_no_bound_and_why(cosim: Cli) -> None:
    action = 'return SiteAction(tier_share={"small": 1.0})'
    mine = write_controller(Path.cwd(), action, '{"tier_share"}')
    policies = f"evaluation:\n  policies:\n    - {{name: mine, controllers: [{mine}]}}\n"
    answer = cosim("evaluate", write("s.yaml", text() + policies), "-o", "out", "--seeds", "2")
    assert answer.code == 0, answer.err
    said = " ".join(answer.out.split())
    assert "No bounds: a site has several pools, and the bounds are those of one." in said
    assert "No bound could be found" not in said
    assert json.loads(Path("out/evaluation.json").read_text())["bounds"] == [None, None]
