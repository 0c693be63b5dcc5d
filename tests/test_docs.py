"""The pages: every command runs, every example works, every link leads somewhere.

The blocks of a page are taken in order, in one empty folder that holds the scenarios, as a reader
would. How a block is taken depends on its language:

- ``sh``: ``cosim`` and ``pytest`` commands are run, and must exit with 0; so are ``python`` on a
  file of the page, and ``sed`` into a file. ``make`` commands must name a target. Runs of the
  larger scenarios are shortened by the settings in `SHORTER`.
- ``python`` and ``yaml``: a block that begins with ``# some_file.py`` is written to that file, for
  later blocks to use. Other Python is executed; a YAML file must validate when it is run.
- ``text``: shown, not checked, unless a comment before it says ``output of: COMMAND``. Then it must
  be what that command prints, and ``UPDATE_DOCS=1 pytest tests/test_docs.py`` renews it. So with
  ``output of the example above``: what the last Python block printed.
- ``csv``: a comment before it says ``file: NAME``, and it is written to that file.

``<!-- not run: REASON -->`` before a block exempts it. Files of the pages in `LONG` are shortened
every day, and the outputs that depend on them are not compared; ``make nightly``, and UPDATE_DOCS,
take these pages as they are.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest
import yaml
from pydantic import TypeAdapter

from controllers import ACTUATORS
from cosim.report.run_data import read_summary
from cosim.results.summary import Summary
from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from docs.site_builder.readme_picture import IMAGES
from inference_sim.routing import ROUTERS
from inference_sim.scheduling import SCHEDULERS
from tests.warm import run_warm

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "scenarios/**/*.md")
    for page in ROOT.glob(pattern)
)
REAL_DATA = ROOT.parent / "shared" / "data" / "case_study"
QUICKSTART = "cosim run scenarios/quickstart.yaml"
"""The first command of the quickstart page, which shows its output."""
OWN_TESTS = (f"output of: {QUICKSTART}", "output of: cosim demo")
"""Notes of blocks that have tests of their own."""
SIX_HOURS = ("coupling=native", "time.duration=6h", "workload.requests=2000")
SHORTER = {
    "quickstart.yaml": SIX_HOURS,
    "own_controller.yaml": SIX_HOURS,
    "two_sites.yaml": ("coupling=native", "time.duration=1h"),
    "paper_case_study.yaml": ("coupling=native", "time.duration=1h", "workload.requests=5000"),
    "flagship.yaml": (
        "time.start=2022-04-12T13:00:00Z",
        "time.duration=6h",
        "evaluation.decoys=[]",
        "evaluation.other_days=0",
        "evaluation.baselines=false",
    ),
}
"""Settings that are added to runs and evaluations of a scenario, so that the pages take seconds."""
LONG = {
    "docs/evaluation.md": {"sh": {"--set time.duration=16h": "--set time.duration=5h"}},
    "docs/recipes.md": {
        "my_load.yaml": {"duration: 2d": "duration: 12h", "requests: 13000": "requests: 1500"},
        "big_battery.yaml": {"duration: 3d": "duration: 1d", "requests: 22000": "requests: 3000"},
        "my_service.yaml": {"until: drained, max_duration: 25h": "duration: 2min"},
        "three_countries.yaml": {"duration: 365d": "duration: 6h"},
        "to_paris.yaml": {"duration: 7d": "duration: 6h"},
    },
    "docs/tuning.md": {
        "year.yaml": {"duration: 2d": "duration: 13h", "requests: 8000": "requests: 40"},
        "sh": {"tune ": "tune --trials 2 --weeks 2 --test-weeks 2 "},
    },
}
"""What is put in place of what in the files and commands of long pages, every day."""

FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
WALL = re.compile(r"run in [\d.]+ s \([\d,]+ x real time\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        where: Page and line.
        language: ``sh``, ``python``, ``yaml``, ``text`` or other.
        note: The comment right before it.
        text: Its content.
    """

    where: str
    language: str
    note: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The file that it is the content of, by its first line or the comment before it."""
        if self.note.startswith("file: "):
            return self.note.removeprefix("file: ")
        match = re.match(r"# ([\w/]+\.(?:py|yaml))\n", self.text)
        return match[1] if match else None


def blocks(page: str) -> Iterator[Block]:
    source = (ROOT / page).read_text(encoding="utf-8")
    for match in FENCE.finditer(source):
        line = source.count("\n", 0, match.start("language")) + 1
        yield Block(f"{page}:{line}", match["language"], match["note"] or "", match["text"])


def without_fences(page: str) -> str:
    return FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))


def commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@cache
def make_targets() -> frozenset[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z]+):", makefile, re.M))


@pytest.fixture
def reader(
    tmp_path: Path, cosim: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Block], None]:
    """Take a block, in a folder that holds the scenarios.

    Studies run in this process, as with one core: short runs take less than workers to start.
    """
    monkeypatch.setattr("cosim.studies.runs.processes.cores", lambda: 1)
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    said = io.StringIO()
    outputs: dict[tuple[str, ...], str] = {}

    def take_command(where: str, words: list[str]) -> None:
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            assert set(targets) <= make_targets(), f"{where}: no such target"
            return
        if words[0] == "pytest":
            done = run_warm("-m", *words, "-p", "no:cacheprovider", cwd=tmp_path)
            assert done.returncode == 0, f"{where}: {done.stdout}{done.stderr}"
            return
        if words[0] == "python":
            run_python(where, words)
            return
        if words[0] == "sed":
            done = subprocess.run(words[: words.index(">")], capture_output=True, check=True)
            (tmp_path / words[-1]).write_bytes(done.stdout)
            return
        assert words[0] == "cosim", f"{where}: cannot check {words[0]!r}; mark it with 'not run'"
        words = words[: words.index(">")] if ">" in words else words
        if words[1] in ("run", "evaluate"):
            for setting in SHORTER.get(Path(words[2]).name, ()):
                words = [*words, "--set", setting]
        answer = cosim(*words[1:])
        assert answer.code == 0, f"{where}: {' '.join(words)}\n{answer.err}"
        outputs[tuple(words)] = answer.out

    def take(block: Block) -> None:
        nonlocal said
        if block.note.startswith("not run: "):
            return
        if block.file_name is not None:
            (tmp_path / block.file_name).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            for words in commands(block.text):
                take_command(block.where, words)
        elif block.language == "python":
            with redirect_stdout(io.StringIO()) as said:
                exec(compile(block.text, block.where, "exec"), {"__name__": "page"})  # noqa: S102
        elif block.language == "yaml":
            yaml.safe_load(block.text)
        else:
            assert block.language == "text", f"{block.where}: a block needs a language"
            page = block.where.partition(":")[0]
            if block.note in OWN_TESTS:
                return
            if block.note.startswith("output of: "):
                check_output(page, block, cosim, outputs)
            elif block.note == "output of the example above":
                check_text(page, block, said.getvalue())

    return take


@pytest.mark.parametrize("page", [page for page in PAGES if page not in {"CONTRIBUTING.md"}])
def test_blocks_work(page: str, reader: Callable[[Block], None]) -> None:
    for block in blocks(page):
        reader(block if os.environ.get("UPDATE_DOCS") else shortened(page, block))


@pytest.mark.nightly(
    "docs/evaluation.md, recipes.md and tuning.md as they are; every day their runs are shorter"
)
@pytest.mark.parametrize("page", LONG)
def test_long_pages_work_as_they_are(page: str, reader: Callable[[Block], None]) -> None:
    for block in blocks(page):
        reader(block)


def shortened(page: str, block: Block) -> Block:
    """The block with less to do, if its page is a long one; what it prints is then another."""
    if page not in LONG or block.note.startswith("not run: "):
        return block
    text, whole = block.text, (ROOT / page).read_text(encoding="utf-8")
    for old, new in LONG[page].get(block.file_name or block.language, {}).items():
        assert old in whole, f"{page}: nothing to shorten"
        text = text.replace(old, new)
    if block.note.startswith("output of: python "):
        return replace(block, language="sh", note="", text=block.note.removeprefix("output of: "))
    shows = block.note.startswith("output of")
    return replace(block, text=text, note="" if shows else block.note)


def test_contributing_names_what_exists() -> None:
    """Its commands change the checkout, so that only their targets and files are looked up."""
    for block in blocks("CONTRIBUTING.md"):
        for words in commands(block.text):
            if words[0] == "make":
                assert set(words[1:]) <= make_targets(), block.where
            elif words[0] == "python":
                assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file(), block.where
            else:
                assert {"cosim", "pytest"} & set(words[:2]), block.where
            paths = [word for word in words if word.endswith((".json", ".py"))]
            assert all((ROOT / path).is_file() for path in paths), block.where
    rooms = [path for path in (ROOT / "cosim").iterdir() if path.is_dir()]
    homes = ("", "inference_sim", "controllers", "cosim", *rooms)
    for path in re.findall(r"`([\w/]+(?:\.py|\.yaml|/))`", without_fences("CONTRIBUTING.md")):
        known = path.rpartition("/")[0] if "NAME" in path else path
        assert any((ROOT / home / known).exists() for home in homes), path


@pytest.mark.parametrize("package", ["inference_sim", "controllers", "cosim"])
def test_every_module_has_its_line(package: str) -> None:
    """A newcomer finds each module, or the folder it is in, in the tables of CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.split(f"\n| `{package}/` |")[1].split("\n\n")[0]
    first_cells = " ".join(re.findall(r"^\| (.*?) \|", table, re.M))
    named = set(re.findall(r"`(\w+(?:\.py|/))", first_cells))
    here = [path for path in (ROOT / package).iterdir() if not path.name.startswith("_")]
    modules = {path.name for path in here if path.suffix == ".py"}
    assert named == modules | {f"{path.name}/" for path in here if path.is_dir()}


def test_the_page_how_one_step_works_has_every_actuator() -> None:
    page = (ROOT / "docs" / "how-one-step-works.md").read_text(encoding="utf-8")
    table = page.split("\n## What it may set\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([\w/ ]+) \|", table, re.M)
    assert rows == [(name, each.field, each.unit) for name, each in ACTUATORS.items()]


@pytest.mark.parametrize(("key", "parts"), [("router", ROUTERS), ("type", SCHEDULERS)])
def test_the_page_on_workloads_has_every_router_and_scheduler(
    key: str, parts: Mapping[str, object]
) -> None:
    page = (ROOT / "docs" / "workloads.md").read_text(encoding="utf-8")
    section = page.split("\n## Routing to replicas\n")[1]
    table = section.split(f"\n| `{key}` | ")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(parts)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_fences(page)):
        if not re.match(r"https?://", target):
            path, _, anchor = target.partition("#")
            linked = (ROOT / page).parent / path if path else ROOT / page
            assert linked.exists(), f"{page}: {target}"
            if anchor:
                titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.M)
                assert anchor in [
                    re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles
                ]


@pytest.mark.parametrize("page", PAGES)
def test_names_no_place_on_somebodys_machine(page: str) -> None:
    """No absolute paths."""
    source = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.~:/<-])/[A-Za-z][\w.-]*", source) == []


def _brace_expanded(key: str) -> list[str]:
    parts = [part.strip("{}").split(",") for part in re.split(r"(\{[^}]*\})", key) if part]
    return ["".join(chosen) for chosen in product(*parts)]


def documented(heading: str) -> set[str]:
    """What the first columns of the tables under a heading of docs/results.md name."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, re.M)
    names = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    expanded = [key for name in names for key in _brace_expanded(name)]
    assert len(set(expanded)) == len(expanded)
    return set(expanded)


def _paths(section: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def _general(path: str, summary: Mapping[str, Any]) -> str:
    """The path as the page writes it: without the site, with CLASS and REASON for their names."""
    for site in summary["sites"]:
        path = path.removeprefix(f"sites.{site}.")
    path = re.sub(r"^rejections\.\w+$", "rejections.REASON", path)
    path = re.sub(r"^pools\.\w+\.", "pools.POOL.", path)
    path = re.sub(r"^pools.POOL.completed\.\w+$", "pools.POOL.completed.CLASS", path)
    path = re.sub(r"^pools.POOL.quality\.\w+$", "pools.POOL.quality.BENCHMARK", path)
    path = re.sub(r"^quality\.\w+\.\w+$", "quality.CLASS.BENCHMARK", path)
    path = re.sub(r"^attribution\.by_class\.\w+\.", "attribution.by_class.CLASS.", path)
    return re.sub(r"^slo\.by_class\.\w+$", "slo.by_class.CLASS", path)


def _typed_keys(schema: Mapping[str, Any], kinds: Mapping[str, Any], key: str = "") -> set[str]:
    """The keys that a type can have, by its JSON Schema; capitals for names."""
    if "$ref" in schema:
        return _typed_keys(kinds[schema["$ref"].rpartition("/")[2]], kinds, key)
    choices = [
        _typed_keys(choice, kinds, key)
        for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
        if choice != {"type": "null"}
    ]
    if choices:
        return set().union(*choices)
    inside = dict(schema.get("properties", {}))
    if isinstance(names := schema.get("additionalProperties"), dict):
        inside[_names_of(key)] = names
    if not inside:
        return {key}
    return set().union(
        *(_typed_keys(part, kinds, f"{key}.{name}".lstrip(".")) for name, part in inside.items())
    )


def _names_of(key: str) -> str:
    """What the keys of a mapping are, in capitals."""
    if key in ("quality.CLASS", "pools.POOL.quality"):
        return "BENCHMARK"
    return {"rejections": "REASON", "pools": "POOL"}.get(key, "CLASS")


def test_results_page_has_every_key_of_the_typed_summary() -> None:
    """And no other, whether a run had such a figure or not."""
    schema = TypeAdapter(Summary).json_schema(mode="serialization")
    parts = dict(schema["properties"])
    del parts["sites"]  # the same keys again
    live = _typed_keys(parts.pop("live"), schema["$defs"], "live")
    found = _typed_keys(parts.pop("totals"), schema["$defs"])
    found |= _typed_keys({"properties": parts}, schema["$defs"])
    assert found == documented("summary.json")
    page = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    for key in live:
        assert f"{key.rpartition('.')[2]}`" in page, key


def test_results_page_tells_every_key_and_column(tmp_path: Path) -> None:
    """And none that does not exist: in a run with everything, and others where there is more."""
    settings = [
        *SIX_HOURS,
        "accounting=paper",
        "workload.classes=[{name: chat, share: 1, slo: {ttft_s: 2}}]",
        "sites.0.microgrid.marginal_carbon_intensity={type: constant, value_g_per_kwh: 600}",
        "sites.0.microgrid.price={type: constant, value_per_kwh: 0.1}",
        "sites.0.cluster.power_cap_w=400",
        "sites.0.cluster.gateway={admission_rate_per_s: 0.3, overflow: reject}",
    ]
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from controllers import Controller, SiteAction\n\n"
        "class Bad(Controller):\n"
        "    actuators = frozenset({'batch_cap'})\n"
        "    def reset(self, context): pass\n"
        "    def step(self, observation): return SiteAction(batch_cap=-1)\n"
    )
    failing = [*settings, f"controllers=[{{type: '{bad}:Bad'}}]"]
    quickstart = ROOT / "scenarios" / "quickstart.yaml"
    result = execute(load_plan(quickstart, settings), tmp_path / "done")
    failed = execute(load_plan(quickstart, failing), tmp_path / "failed")
    assert failed.summary.status == "failed"
    log = tmp_path / "log.csv"
    log.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,5,0\n1,5,5\n")
    recorded = [*settings, "workload.lengths=null", "workload.arrivals=null"]
    recorded += [f"workload.trace={{path: {log}, skip: invalid}}"]
    replayed = execute(load_plan(quickstart, recorded), tmp_path / "replayed")

    agents = load_plan(
        ROOT / "scenarios" / "agents.yaml",
        [
            "time.duration=10min",
            "workload.timeout=1s",
            "workload.retry={most: 1, backoff: 2s}",
            "sites.0.cluster.kv_offload={host_gib: 64, host_gb_per_s: 50}",
        ],
    )
    talked = execute(agents, tmp_path / "talked")

    tiers = load_plan(
        ROOT / "scenarios" / "quality_tiers.yaml",
        [
            "time.duration=10min",
            "sites.0.cluster.pools.1.kv_offload={host_gib: 64, host_gb_per_s: 50}",
        ],
    )
    shared = execute(tiers, tmp_path / "shared")
    disaggregated = ROOT / "scenarios" / "disaggregated.yaml"
    apart = execute(load_plan(disaggregated, ["time.duration=1min"]), tmp_path / "apart")

    runs = (result, failed, replayed, talked, shared, apart)
    summaries = [ended.summary.to_dict() for ended in runs]
    found = {_general(path, summary) for summary in summaries for path in _paths(summary)} - {
        "sites",
        "rejections",
        "battery",
    }  # where there are none
    assert found == documented("summary.json")
    for name in ("steps", "requests", "actions"):
        columns = {
            column
            for folder in ("done", "talked", "shared")
            for column in pd.read_parquet(tmp_path / folder / f"{name}.parquet").columns
        }
        assert columns == documented(f"{name}.parquet"), name
    manifest = json.loads((tmp_path / "done" / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest) == documented("manifest.json")
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    table = page.split("| file | contents |")[1].split("\n\n")[0]
    files = set(re.findall(r"`([\w.]+)`", table))
    folders = (tmp_path / "done", tmp_path / "shared")
    assert files - {"FAILED"} == {path.name for folder in folders for path in folder.iterdir()}


def test_every_scenario_is_in_the_table() -> None:
    page = (ROOT / "scenarios" / "README.md").read_text(encoding="utf-8")
    for scenario in (ROOT / "scenarios").glob("*.yaml"):
        assert f"({scenario.name})" in page
        assert f"`cosim run scenarios/{scenario.name}`" in page


def test_the_quickstart_shows_what_it_prints_and_saves(
    cosim: Callable[..., Any], tmp_path: Path
) -> None:
    """Its output, and what its controllers save at equal completed work."""
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    page = "docs/quickstart.md"
    (shown,) = [block for block in blocks(page) if block.note == f"output of: {QUICKSTART}"]
    check_output(page, shown, cosim)

    controlled = read_summary(tmp_path / "results" / "quickstart").totals
    settings = ["coupling=native", "controllers=[]"]
    free = execute(load_plan(ROOT / "scenarios" / "quickstart.yaml", settings)).summary.totals
    assert controlled.requests == free.requests
    assert controlled.tokens == free.tokens
    saving = 1 - controlled.carbon_g.import_ / free.carbon_g.import_
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert f"grid imports emit {saving * 100:.0f} % less" in text


def test_the_demo_prints_and_draws_what_the_first_pages_show(
    cosim: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And at equal work it emits what the evaluation of the same scenario says."""
    monkeypatch.setattr("cosim.studies.runs.processes.cores", lambda: 1)
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")  # as in a checkout
    answer = cosim("demo")
    assert answer.code == 0, answer.err
    page = "docs/comparing.md"
    (shown,) = [block for block in blocks(page) if block.note == "output of: cosim demo"]
    check_text(page, shown, answer.out.replace(f"{ROOT}/", ""))
    made = tmp_path / "results" / "demo"
    for stem in ("picture", "picture-dark"):
        kept = IMAGES / f"{stem.replace('picture', 'demo')}.svg"
        if (made / f"{stem}.svg").read_bytes() != kept.read_bytes():
            assert os.environ.get("UPDATE_DOCS"), f"UPDATE_DOCS=1 renews {kept.name}"
            shutil.copy(made / f"{stem}.svg", kept)
    evaluated = (ROOT / "README.md").read_text(encoding="utf-8")
    for policy, run in (("noop", "without"), ("clean_windows", "with")):
        grams = read_summary(made / run).totals.carbon_g.import_
        assert f"| {policy} | {grams / 1000:.3f} |" in evaluated
    plain, controlled = (read_summary(made / name).totals for name in ("without", "with"))
    saving = 1 - controlled.carbon_g.import_ / plain.carbon_g.import_
    requests = pd.read_parquet(made / "with" / "requests.parquet").set_index("class").loc["batch"]
    median_h = (requests["finish_s"] - requests["arrival_s"]).median() / 3600
    for name in ("README.md", "docs/index.md"):
        caption = " ".join((ROOT / name).read_text(encoding="utf-8").split())
        assert f"serves {controlled.requests.completed:,} requests" in caption
        assert f"emits {saving * 100:.0f} % less" in caption
        assert f"take {median_h:.1f} hours and more" in caption


def check_output(
    page: str,
    block: Block,
    cosim: Callable[..., Any],
    outputs: Mapping[tuple[str, ...], str] = MappingProxyType({}),
) -> None:
    """Run the command of an ``output of:`` block, and compare; or renew the block.

    Args:
        outputs: What commands have printed that were run already, and need not be run again.
    """
    words = shlex.split(block.note.removeprefix("output of: "))
    if words[0] == "python":
        check_text(page, block, run_python(block.where, words))
        return
    if tuple(words) in outputs:
        check_text(page, block, outputs[tuple(words)])
        return
    answer = cosim(*words[1:])
    assert answer.code == 0, f"{block.where}: {answer.err}"
    check_text(page, block, answer.out)


def run_python(where: str, words: list[str]) -> str:
    """Run a file of a page, as the reader would in the shell, and return what it prints."""
    done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True)
    assert done.returncode == 0, f"{where}: {' '.join(words)}\n{done.stderr}"
    return done.stdout


def check_text(page: str, block: Block, out: str) -> None:
    """Compare what was printed with what a block shows; or renew the block."""
    printed = "\n".join(line.rstrip() for line in out.splitlines()) + "\n"
    if WALL.sub("", block.text) != WALL.sub("", printed):
        assert os.environ.get("UPDATE_DOCS"), f"UPDATE_DOCS=1 renews it; it prints now\n{printed}"
        renew(page, block, printed)


def renew(page: str, block: Block, text: str) -> None:
    """Put `text` in the place of a block's."""
    source = (ROOT / page).read_text(encoding="utf-8")
    head = f"<!-- {block.note} -->\n```{block.language}\n"
    assert source.count(f"{head}{block.text}```") == 1
    renewed = source.replace(f"{head}{block.text}```", f"{head}{text}```")
    (ROOT / page).write_text(renewed, encoding="utf-8")


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the paper's input data are not there")
def test_table_2_on_the_page_of_errata() -> None:
    """Every figure of the last column, and those in the text below it."""
    settings = [
        f"sites.0.microgrid.solar.path={REAL_DATA / 'solar_san_francisco_2022.csv'}",
        "sites.0.microgrid.carbon_intensity.path="
        f"{REAL_DATA / 'carbon_intensity_caiso_north_2023.csv'}",
    ]
    scenario = ROOT / "scenarios" / "paper_table2.yaml"
    run = execute(load_plan(scenario, settings)).summary.to_dict()
    small = execute(
        load_plan(scenario, [*settings, "sites.0.microgrid.battery.capacity_wh=100"])
    ).summary.to_dict()
    paper, energy, carbon = run["paper"], run["energy_kwh"], run["carbon_g"]
    errata = (ROOT / "docs" / "errata.md").read_text(encoding="utf-8")
    section = errata.split("\n## Table 2, row by row\n")[1].split("\n## ")[0]
    shown = re.findall(r"^\| [^|]+ \| [^|]+ \| ([^|]+) \|$", section, re.M)
    shares = ", ".join(f"{paper[name] * 100:.2f}" for name in ("charging", "discharging", "idle"))
    assert shown[1:] == [
        f"{paper['demand_kwh']:.3f} kWh",
        f"{paper['solar_kwh']:.3f} kWh",
        f"{paper['grid_kwh']:.3f} kWh",
        f"{paper['renewable_share'] * 100:.2f} %",
        f"{paper['grid_dependency'] * 100:.2f} %",
        f"{paper['total_emissions_kg']:.3f} kg",
        f"{paper['offset_kg']:.3f} kg",
        f"{paper['net_g']:.1f} g",
        f"{paper['carbon_offset'] * 100:.2f} %",
        f"{paper['ci_mean_g_per_kwh']:.1f} g/kWh",
        f"{paper['high_ci_h']:.2f} h",
        f"{paper['soc_mean'] * 100:.2f} %",
        f"{paper['soc_below_50_h']:.2f} h, {paper['soc_above_80_h']:.2f} h",
        f"{shares} %",
        f"{paper['cycles']:.3f}",
    ]
    text = " ".join(section.split())
    for figure in (
        f"{energy['import']:.3f} kWh are imported and {energy['export']:.3f} kWh exported",
        f"the import emits **{carbon['import']:.0f} g**",
        f"credited with {carbon['export_credit']:.0f} g",
        f"the import is {small['energy_kwh']['import']:.3f} kWh and emits "
        f"**{small['carbon_g']['import']:.0f} g**",
        f'"net footprint" stays at {small["paper"]["net_g"]:.1f} g',
    ):
        assert figure in text
