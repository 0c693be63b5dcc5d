"""Schedulers and routers that a scenario names: the simulator's, installed ones, a user's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cosim.errors import ScenarioError
from cosim.results.folder import file_hash, input_files, resolved_scenario, scenario_hash
from cosim.scenario.schema import scenario_schema
from cosim.world.plan import load_plan
from inference_sim.plugins import entry_points
from inference_sim.routing import ROUTERS
from inference_sim.scheduling import SCHEDULERS
from tests.conftest import Cli
from tests.cosim.builders import BASE, edited, run_text, write

OWN = '''
from inference_sim.scheduling import Scheduler, VllmScheduler, VllmV1Scheduler


class Same(VllmScheduler):
    """The rules of vLLM v0, in a class that no compiler has seen."""


class ShortestFirst(VllmV1Scheduler):
    def can_admit(self, head, running, kv):
        return running < self.batch_cap

    def take(self, waiting, partial, running, kv, admit=True):
        line = sorted(waiting, key=lambda request: request.prefill_tokens)
        waiting.clear()
        waiting.extend(line)
        return super().take(waiting, partial, running, kv, admit)


class Half(Scheduler):
    def make_cache(self, blocks, longest): ...
    def can_admit(self, head, running, kv): ...


def to_the_last(replicas, seed=0):
    return lambda request: replicas[-1]


def of_nothing():
    return None


number = 3
'''


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a file of a user's schedulers and routers."""
    write(tmp_path / "own.py", OWN)
    return tmp_path


def with_parts(scheduler: str = "vllm_v1", router: str = "round_robin") -> str:
    """The base scenario, busy enough for a line, with other lengths and two replicas."""
    return edited(
        ("rate_per_s: 0.5", "rate_per_s: 2"),
        (
            "{type: fixed, prompt_tokens: 200, output_tokens: 40}",
            "{type: uniform, min_tokens: 300, max_tokens: 3000, prefill_decode_ratio: 4}",
        ),
        (
            "gpu: h100-sxm-80gb\n",
            "gpu: h100-sxm-80gb\n      replicas: 2\n"
            f"      scheduler: {{type: '{scheduler}', batch_cap: 3}}\n      router: '{router}'\n",
        ),
    )


def problem(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_plan(write(folder / "s.yaml", text))
    (found,) = caught.value.problems
    return str(found).replace(f"{folder}/", "")


def work(folder: Path, text: str, *overrides: str) -> dict[str, Any]:
    """Figures of a run that follow from what its schedulers and routers did."""
    summary = run_text(folder, text, *overrides).summary
    return {name: summary[name] for name in ("requests", "tokens", "energy_kwh", "latency_s")}


def test_a_scheduler_that_is_not_compiled_runs_from_a_scenario(own: Path) -> None:
    mine = work(own, with_parts("./own.py:Same"))
    assert mine == work(own, with_parts("vllm"))
    assert mine != work(own, with_parts("vllm_v1"))


def test_one_that_reorders_the_line_agrees_with_one_event_per_iteration(own: Path) -> None:
    text = with_parts("./own.py:ShortestFirst")
    mine = work(own, text)
    stepwise = "sites.0.cluster.execution={type: roofline, stepwise: true}"
    slow = work(own, text, stepwise)
    assert mine["requests"] == slow["requests"]
    assert mine["latency_s"]["ttft"] == pytest.approx(slow["latency_s"]["ttft"], rel=1e-9)
    in_order = work(own, with_parts())
    assert mine["latency_s"]["ttft"]["p50"] < in_order["latency_s"]["ttft"]["p50"]


@pytest.mark.parametrize("name", ["vllm", "vllm_v1", "./own.py:Same", "./own.py:ShortestFirst"])
def test_a_budget_below_the_batch_is_refused_for_those_of_vllm(own: Path, name: str) -> None:
    """Whatever a subclass is called."""
    small = with_parts(name).replace("batch_cap: 3", "batch_cap: 300, max_batch_tokens: 299")
    assert "max_batch_tokens must be at least batch_cap" in problem(own, small)


@pytest.mark.parametrize("name", ["vidur", "sarathi", "orca", "static"])
def test_a_budget_below_the_batch_is_taken_by_others(own: Path, name: str) -> None:
    small = with_parts(name).replace("batch_cap: 3", "batch_cap: 300, max_batch_tokens: 299")
    load_plan(write(own / "s.yaml", small))


def test_a_router_of_ones_own_decides(own: Path) -> None:
    ran = run_text(own, with_parts(router="./own.py:to_the_last"))
    assert set(ran.requests["replica"]) == {1}


def test_a_deployment_names_the_scheduler(own: Path, cosim: Cli) -> None:
    assert (
        "ShortestFirst scheduler"
        in cosim("run", write("s.yaml", with_parts("./own.py:ShortestFirst"))).out
    )


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        (
            "scheduler",
            "sarathy",
            "s.yaml:17:25 sites.0.cluster.scheduler.type: unknown scheduler (got 'sarathy'); did "
            f"you mean 'sarathi'? known: {', '.join(sorted(SCHEDULERS))}, or one of yours as "
            "./file.py:Class",
        ),
        (
            "router",
            "round_robbin",
            "s.yaml:18:15 sites.0.cluster.router: unknown router (got 'round_robbin'); did you "
            f"mean 'round_robin'? known: {', '.join(sorted(ROUTERS))}, or one of yours as "
            "./file.py:Class",
        ),
        ("scheduler", "./none.py:Mine", ": no such file for scheduler 'none.py:Mine'"),
        ("scheduler", "own.py", ": 'own.py' must name a file and a class, as in ./file.py:Class"),
        ("scheduler", "./own.py:Sane", "its schedulers are Same, ShortestFirst, Half; did you m"),
        ("scheduler", "./own.py:number", "must be a subclass of inference_sim.scheduling.Schedu"),
        ("scheduler", "./own.py:Half", "'Half' in 'own.py' must define take and mixes"),
        ("router", "./own.py:to_the_first", "its routers are to_the_last, of_nothing; did you m"),
        ("router", "./own.py:of_nothing", "must be called with the replicas and a seed"),
        ("router", "./own.py:number", "must be called with the replicas and a seed (got 3)"),
    ],
)
def test_errors_say_what_can_stand_there(own: Path, key: str, name: str, message: str) -> None:
    assert message in problem(own, with_parts(**{key: name}))


def test_neither_is_a_number(own: Path) -> None:
    text = with_parts().replace("'round_robin'", "3")
    assert problem(own, text).endswith("router: expected a string (got 3; put it in quotes)")


def test_a_file_that_raises_says_where(own: Path) -> None:
    write(own / "broken.py", "def f():\n    return 1 / 0\n\nf()\n")
    found = problem(own, with_parts("./broken.py:Mine"))
    assert "raised ZeroDivisionError: division by zero (broken.py:2)" in found


def test_a_file_is_read_again_when_it_changed(own: Path) -> None:
    assert "must define" in problem(own, with_parts("./own.py:Half"))
    write(own / "own.py", OWN.replace("class Half(Scheduler)", "class Half(VllmScheduler)") + "#")
    load_plan(write(own / "s.yaml", with_parts("./own.py:Half")))


def test_a_relative_path_starts_from_the_file_that_names_it(own: Path) -> None:
    (own / "below").mkdir()
    write(own / "s.yaml", with_parts("./own.py:Same"))
    plan = load_plan(write(own / "below" / "t.yaml", "extends: ../s.yaml\n"))
    resolved = resolved_scenario(plan)["sites"][0]["cluster"]
    assert resolved["scheduler"]["type"] == f"{own}/own.py:Same"


def test_a_run_records_the_file(own: Path) -> None:
    def hash_of(text: str) -> str:
        plan = load_plan(write(own / "s.yaml", text))
        files = input_files(plan)
        return scenario_hash(plan, {place: file_hash(file) for place, file in files.items()})

    text = with_parts("./own.py:Same", "./own.py:to_the_last")
    files = input_files(load_plan(write(own / "s.yaml", text)))
    assert files == {
        "sites.0.cluster.router": own / "own.py",
        "sites.0.cluster.scheduler.type": own / "own.py",
    }
    before = hash_of(text)
    assert hash_of(text) == before
    assert hash_of(with_parts("./own.py:ShortestFirst", "./own.py:to_the_last")) != before
    write(own / "own.py", OWN + "# changed\n")
    assert hash_of(text) != before


@dataclass(frozen=True)
class Point:
    """An entry point, as an installed package has it."""

    name: str
    part: object
    value: str = "a_package:Part"
    dist: None = None

    def load(self) -> object:
        return self.part


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers a scheduler and a router."""

    class Mine(SCHEDULERS["vllm"]):  # type: ignore[misc]
        rules = "rules of mine"

    offered = {
        "cosim.schedulers": [Point("mine", Mine)],
        "cosim.routers": [Point("to_mine", ROUTERS["least_kv_load"])],
    }
    monkeypatch.setattr(
        "inference_sim.plugins.entry_points",
        lambda group: offered.get(group, entry_points(group=group)),
    )


@pytest.mark.usefixtures("package")
def test_a_package_offers_parts_by_name(own: Path, cosim: Cli) -> None:
    mine = work(own, with_parts("mine", "to_mine"))
    assert mine == work(own, with_parts("vllm", "least_kv_load"))
    known = ", ".join(sorted([*SCHEDULERS, "mine"]))
    assert f"did you mean 'mine'? known: {known}" in problem(own, with_parts("mime"))
    assert "mine       rules of mine" in cosim("schedulers").out
    assert "to_mine            Return a router" in cosim("routers").out


def test_the_catalogues_list_all(cosim: Cli) -> None:
    for command, names in (("schedulers", SCHEDULERS), ("routers", ROUTERS)):
        answer = cosim(command)
        assert answer.code == 0
        rows = [line.split() for line in answer.out.splitlines()[1:] if line[1] != " "]
        assert [row[0] for row in rows] == list(names)
        assert all(len(row) > 2 for row in rows)


def test_editors_offer_the_names_and_take_others() -> None:
    schema = scenario_schema()
    definitions = schema["$defs"]
    keys = [
        (definitions["ClusterKeys"]["properties"]["router"], ROUTERS),
        (definitions["SchedulerKeys"]["properties"]["type"], SCHEDULERS),
    ]
    for key, names in keys:
        assert key["anyOf"][0] == {"enum": list(names)}
        for name in (*names, "mine", "./mine.py:Mine"):
            jsonschema.validate(name, key)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(3, key)


def test_the_base_scenario_takes_the_defaults(tmp_path: Path) -> None:
    pool = load_plan(write(tmp_path / "s.yaml", BASE)).sites[0].cluster.pool
    assert (pool.scheduler, pool.router) == ("vllm_v1", "round_robin")
