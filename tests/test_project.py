"""The project: what it ships, how it is set up, and that its checks are run."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib import resources
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

import cosim
import inference_sim
from cosim.errors import DISTRIBUTION, CosimError, install_hint
from cosim.world.plan import load_plan

ROOT = Path(__file__).parents[1]
COMPILED = (".so", ".pyd")
PACKAGES = ("cosim", "inference_sim", "controllers")
MODULES = sorted(
    path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")
)


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def compiled_modules() -> list[str]:
    return pyproject()["tool"]["cosim"]["compiled"]["modules"]


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_one_version() -> None:
    """In the package, in pyproject.toml, for citations and in the changelog."""
    assert cosim.__version__ == pyproject()["project"]["version"]
    assert cosim.__version__ == read_yaml("CITATION.cff")["version"]
    assert f"## [{cosim.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_one_name_for_pip() -> None:
    """`cosim` is the name of the module and of the command; for pip it is a stranger's package."""
    assert pyproject()["project"]["name"] == DISTRIBUTION == "carbon-cosim"
    assert install_hint("plots") == "pip install 'carbon-cosim[plots]'"
    for extra, needed in pyproject()["project"]["optional-dependencies"].items():
        assert not [name for name in needed if re.match(r"cosim\b", name)], extra
    wrong = re.compile(
        r"(?<![\w./-])cosim\\?\[[a-z]"  # cosim[plots]
        r"|pip3?\s+(?:install|download|show|uninstall)\s[^\n`]*?(?<![\w./-])cosim(?![\w./-])"
        r"|(?:version|distribution|metadata|requires|files)\(['\"]cosim['\"]"
        r"|\bcosim-\d"  # cosim-0.1.0.dist-info
    )
    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT).stdout
    texts = [name for name in files.splitlines() if not name.endswith((".gz", ".png"))]
    assert texts or not (ROOT / ".git").exists()
    for name in texts:
        if (ROOT / name) != Path(__file__) and (ROOT / name).is_file():
            found = wrong.search((ROOT / name).read_text(encoding="utf-8"))
            assert found is None, f"{name}: {found}"


def test_every_extra_that_is_named_is_there() -> None:
    """`pip` only warns of an extra that it does not know."""
    extras = set(pyproject()["project"]["optional-dependencies"])
    named = {
        extra
        for name in (*MODULES, *map(str, (ROOT / "docs").rglob("*.md")), "README.md")
        for extra in re.findall(
            r"(?:carbon-cosim\[|install_hint\([\"'])(\w+)", (ROOT / name).read_text("utf-8")
        )
    }
    assert {"plots", "solar"} <= named <= extras


def test_console_command() -> None:
    (command,) = entry_points(group="console_scripts", name="cosim")
    from cosim.commands.start import main

    assert command.load() is main
    answer = subprocess.run(
        [sys.executable, "-m", "cosim", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == cosim.__version__


@pytest.mark.skipif(
    os.environ.get("COSIM_COMPILE") == "0" or not any(map(shutil.which, ("cc", "gcc", "clang"))),
    reason="there is no C compiler, or COSIM_COMPILE=0",
)
def test_the_inner_loop_is_compiled_where_it_can_be() -> None:
    """A build that falls back to plain Python says so in a line that pip hides."""
    assert inference_sim.is_compiled(), "make clean setup; pip install -v -e . says why not"
    for module in compiled_modules():
        name = module.removesuffix(".py").replace("/", ".")
        assert not importlib.import_module(name).__file__.endswith(".py"), module


def test_make_builds_again_when_a_compiled_module_changes() -> None:
    """The Makefile reads their names out of pyproject.toml with sed."""
    answer = subprocess.run(
        ["make", "--print-data-base", "--dry-run", "--question", "help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    (rule,) = re.findall(r"^\.venv/\.installed: (.*)$", answer.stdout, re.MULTILINE)
    assert rule.split() == ["pyproject.toml", "setup.py", *compiled_modules()]


def test_make_installs_the_package_once_and_the_tools_for_those_who_need_them() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert makefile.count("--editable .") == 1
    assert "\ndemo: $(INSTALLED)\n" in makefile
    assert "\nsetup: $(INSTALLED_TOOLS)\n" in makefile
    assert "\n$(INSTALLED_TOOLS): pyproject.toml | $(INSTALLED)\n" in makefile
    assert f"'{DISTRIBUTION}[dev]'" in makefile


def test_type_checkers_follow_an_editable_install() -> None:
    """It is a line with the folder; setuptools' other kind is a finder in Python."""
    for links in Path(sysconfig.get_path("purelib")).glob("__editable__*.pth"):
        if "cosim" in links.name:
            assert links.read_text(encoding="utf-8").strip() == str(ROOT)


@pytest.mark.nightly("mypy --strict on a script outside the project; every day the link alone")
def test_mypy_finds_the_types_from_outside(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import cosim\n"
        "from controllers import Controller, SiteAction, SiteContext, SiteObservation\n"
        "from inference_sim.errors import Problem\n\n\n"
        "class Night(Controller):\n"
        "    def reset(self, context: SiteContext) -> None: ...\n\n"
        "    def step(self, observation: SiteObservation) -> SiteAction:\n"
        "        return SiteAction(reason=observation.carbon_intensity_g_per_kwh)\n\n\n"
        "print(cosim.__version__, Problem('here'))\n"
    )
    answer = subprocess.run(
        [Path(sys.executable).with_name("mypy"), "--strict", "script.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    (error, _) = answer.stdout.splitlines()  # the one that only its type tells
    assert error.startswith('script.py:10: error: Argument "reason" to "SiteAction" has')


def test_one_base_of_errors() -> None:
    """Whatever cosim raises on purpose is a CosimError, with an exit code."""
    from cosim import errors

    own = [one for one in vars(errors).values() if isinstance(one, type) and one.__module__]
    raised = [one for one in own if issubclass(one, Exception)]
    assert raised
    assert all(issubclass(one, CosimError) and one.exit_code in (1, 2, 130) for one in raised)


@pytest.mark.parametrize(
    ("package", "names"),
    [
        *((name, ["py.typed"]) for name in PACKAGES),
        ("inference_sim.hardware", ["gpus.yaml"]),
        ("inference_sim.models", ["models.yaml"]),
        ("inference_sim.execution", ["engines.yaml"]),
        ("cosim.signals", ["data", "typical_days_2022.csv"]),
        ("cosim.signals", ["data", "hourly_2022.csv.gz"]),
        ("cosim.signals", ["data", "linke_turbidity.csv.gz"]),
    ],
)
def test_package_data_is_found_as_resources(package: str, names: list[str]) -> None:
    assert resources.files(package).joinpath(*names).is_file()


def test_package_data_is_shipped() -> None:
    """Every data file matches a pattern of pyproject.toml, in a folder that can be a package."""
    patterns = pyproject()["tool"]["setuptools"]["package-data"]["*"]
    assert pyproject()["tool"]["setuptools"]["packages"]["find"]["include"] == [
        f"{name}*" for name in PACKAGES
    ]
    for name in PACKAGES:
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and path.suffix not in {".py", ".pyc", *COMPILED}:
                assert any(path.match(pattern) for pattern in patterns), path
                folders = path.relative_to(ROOT).parent.parts
                assert all(folder.isidentifier() for folder in folders), path


def test_one_dialect_of_yaml() -> None:
    """Whoever calls PyYAML itself reads YAML 1.1, to which ``7e2`` is text and ``no`` is false."""
    readers = [
        name
        for name in MODULES
        if re.search(r"^\s*import yaml$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert readers == ["inference_sim/files/yaml_text.py"]


def test_git_ignores_nothing_that_belongs_to_the_project() -> None:
    """A pattern of .gitignore may swallow a folder of sources, and only a fresh clone tells."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    files = [
        path.relative_to(ROOT).as_posix()
        for name in (*PACKAGES, "tests", "scenarios", "docs", ".ci", ".github")
        for path in (ROOT / name).rglob("*")
        if path.is_file()
        and not {"__pycache__", ".hypothesis"} & set(path.parts)
        and path.suffix not in COMPILED
    ]
    answer = subprocess.run(
        ["git", "check-ignore", "--stdin", "--no-index"],
        input="\n".join(files),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert answer.returncode in (0, 1), answer.stderr
    assert answer.stdout.splitlines() == []


@pytest.mark.parametrize("module", MODULES)
def test_module_has_a_docstring_and_nothing_left_to_do(module: str) -> None:
    source = (ROOT / module).read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "a module begins by saying what it is"
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", source)


def test_import_directions() -> None:
    """The contracts of pyproject.toml; read from the source, so that nothing has to run."""
    answer = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    assert {contract["type"] for contract in contracts} == {"layers", "acyclic_siblings"}
    assert f"{len(contracts)} kept, 0 broken" in answer.stdout


def test_every_room_stands_on_a_floor() -> None:
    """A folder or module of cosim that no layer names would escape the contract."""
    rooms = {path.stem for path in (ROOT / "cosim").iterdir() if path.suffix in ("", ".py")}
    rooms -= {"__pycache__", "__init__", "__main__", "_own_packages", "py"}
    (layers,) = (
        contract["layers"]
        for contract in pyproject()["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["cosim"]
    )
    assert {room for layer in layers for room in re.findall(r"\w+", layer)} == rooms
    assert len(rooms) <= 14, "the way of a scenario through them must be seen at a glance"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    *_, last = script.read_text(encoding="utf-8").splitlines()
    assert last == "exec make test"
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
    assert "\nmake test " in (ROOT / "README.md").read_text(encoding="utf-8")
    job = read_yaml(".github/workflows/ci.yml")["jobs"]["test"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]


def test_larger_samples_have_their_line_and_run_at_night() -> None:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    reasons = [
        reason
        for source in sources
        for call in re.findall(r"(?:mark\.nightly|sizes)\((.*?)\)", source, re.S)
        for reason in re.findall(r'"([^"]* every day [^"]*)"', call)
    ]
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = page.split("\n## Every day and at night\n")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^- (.*)$", listed, re.M)) == sorted(reasons)
    (job,) = read_yaml(".github/workflows/nightly.yml")["jobs"].values()
    assert ".ci/run nightly" in [step.get("run") for step in job["steps"]]
    assert "exec make nightly\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_ci_runs_the_oldest_and_the_newest_python() -> None:
    project = pyproject()["project"]
    job = read_yaml(".github/workflows/ci.yml")["jobs"]["test"]
    versions = [one.rpartition(" ")[2] for one in project["classifiers"] if " :: 3." in one]
    assert job["strategy"]["matrix"]["python-version"] == [versions[0], versions[-1]]
    assert project["requires-python"] == f">={versions[0]}"
    wheels = [f"cp{version.replace('.', '')}-*" for version in versions]
    assert pyproject()["tool"]["cibuildwheel"]["build"].split() == wheels


def test_lint_and_pre_commit_run_the_same_tools() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    hooks = read_yaml(".pre-commit-config.yaml")["repos"][0]["hooks"]
    in_hooks = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    lint = makefile.split("\nlint: ")[1].split("\n\n")[0]
    assert in_hooks == set(re.findall(r"\$\(BIN\)/([\w-]+)", lint))


@pytest.mark.parametrize(
    "scenario", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda p: p.stem
)
def test_scenario_is_ready_to_run(scenario: Path) -> None:
    """It is valid, says what it shows, and tells editors about its schema."""
    plan = load_plan(scenario)
    assert plan.scenario.description
    first, *_ = scenario.read_text(encoding="utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=schema.json"


def recipes() -> dict[str, tuple[int, list[str]]]:
    """The recipes of CONTRIBUTING.md: how many files each announces, and those that it lists."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split("\n## Recipes\n")[1].split("\n## ")[0]
    found = {}
    for part in section.split("\n### To add ")[1:]:
        title, body = part.split("\n", 1)
        name, count = re.fullmatch(r"(.+): (\d+) files?", title).groups()  # type: ignore[union-attr]
        found[name] = (int(count), re.findall(r"^- `([^`]+)`:", body, re.M))
    return found


@pytest.mark.parametrize("name", recipes())
def test_recipe_counts_files_that_exist(name: str) -> None:
    """A file with NAME in its path is a new one, in a folder that exists."""
    count, files = recipes()[name]
    assert len(files) == len(set(files)) == count
    for file in files:
        path = ROOT / file
        assert path.parent.is_dir() if "NAME" in path.name else path.is_file(), file
