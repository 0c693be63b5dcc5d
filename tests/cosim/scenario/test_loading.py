from __future__ import annotations

import os
import pickle
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator

from cosim.errors import Problem, ScenarioError
from cosim.scenario.fields import DurationS, InputFile, Positive, ScenarioText, StrictModel
from cosim.scenario.loading import find_mark, problem_at, read_document, validate_document
from cosim.scenario.settings import indexed
from tests.samples import examples


class Mode(Enum):
    FAST = "fast"
    EXACT = "exact"


class Roofline(StrictModel):
    type: Literal["roofline"]
    efficiency: Positive = 0.5


class Measured(StrictModel):
    type: Literal["measured"]
    path: str
    """Table of measured times."""
    roofline: Roofline | None = None


Execution = Annotated[Roofline | Measured, Field(discriminator="type")]


class Cluster(StrictModel):
    gpu: str
    """Name of the GPU, as `cosim gpus` lists it."""
    batch_cap: int = Field(default=128, gt=0)
    pue: float = Field(default=1.2, ge=1, le=3)
    router: Literal["round_robin", "least_loaded"] = "round_robin"
    mode: Mode = Mode.FAST
    execution: Execution = Roofline(type="roofline")
    shares: tuple[float, ...] = ()
    weights: dict[str, float] = Field(default={}, max_length=2)
    limit: Literal["auto"] | float = "auto"
    shorthand: float | Execution = 1.0
    ids: dict[int, float] = Field(default={})


class Site(StrictModel):
    name: str
    cluster: Cluster | None = None
    enabled: bool = True

    @field_validator("name")
    @classmethod
    def _one_word(cls, name: str) -> str:
        if " " in name:
            raise ValueError("a name has no spaces")
        return name


class Scenario(StrictModel):
    seed: int = 0
    start: datetime | None = None
    aware: AwareDatetime | None = None
    step: DurationS = 60.0
    trace: InputFile | None = None
    sites: list[Site] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Scenario:
        if len({site.name for site in self.sites}) < len(self.sites):
            raise ValueError("two sites have one name")
        return self


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def data(text: str, *overrides: str) -> dict[str, Any]:
    return read_document(write("s.yaml", text), overrides).data


def reading_problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read_document(path, overrides)
    return [str(problem) for problem in caught.value.problems]


def problems(text: str, *overrides: str) -> list[str]:
    document = read_document(write("s.yaml", text), overrides)
    with pytest.raises(ScenarioError) as caught:
        validate_document(document, Scenario)
    return [str(problem) for problem in caught.value.problems]


def cluster_problem(line: str) -> str:
    """Return what is wrong with a cluster in which `line` stands on line 4."""
    (problem,) = problems(f"sites:\n- name: a\n  cluster:\n    {line}\n    gpu: h100\n")
    return problem


# Reading


def test_a_document_knows_where_everything_stands() -> None:
    document = read_document(write("dir/s.yaml", "seed: 7\nsites:\n- name: a\n"))
    assert document.data == {"seed": 7, "sites": [{"name": "a"}]}
    assert document.base_dir == Path.cwd() / "dir"
    assert document.data["sites"][0]["name"].base_dir == document.base_dir
    assert dict(document.marks) == {
        (): "dir/s.yaml:1:1",
        ("seed",): "dir/s.yaml:1:7",
        ("sites",): "dir/s.yaml:3:1",
        ("sites", 0): "dir/s.yaml:3:3",
        ("sites", 0, "name"): "dir/s.yaml:3:9",
    }
    assert document.key_marks["sites",] == "dir/s.yaml:2:1"


def test_a_mark_is_found_for_what_is_missing_too() -> None:
    document = read_document(write("s.yaml", "a:\n  b: {}\n"))
    assert find_mark(document, ["a", "b", "c", "d"]) == "s.yaml:2:6"
    assert find_mark(document, ("a", "b"), key=True) == "s.yaml:2:3"
    assert find_mark(document, ("a", "b", "c"), key=True) == "s.yaml:2:6"
    assert find_mark(document, ()) == "s.yaml:1:1"
    assert str(problem_at(document, ("a", "b"), "is too large")) == "s.yaml:2:6 a.b: is too large"


def test_a_document_can_be_sent_to_another_process() -> None:
    text = pickle.loads(pickle.dumps(data("a: x")["a"]))  # noqa: S301
    assert isinstance(text, ScenarioText)
    assert text.base_dir == Path.cwd()


def test_a_byte_order_mark_is_no_text() -> None:
    assert data("\ufeffa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "s.yaml:1:1: the file is empty"),
        (b"# nothing\n", "s.yaml:1:1: the file is empty"),
        (b"- a\n", "s.yaml:1:1: a scenario is a mapping of keys such as 'name: …' (got a list)"),
        (b"a\n", "s.yaml:1:1: a scenario is a mapping of keys such as 'name: …' (got a single"),
        (b"a: \xff\xfe", "'s.yaml' is not text in UTF-8 (byte 3)"),
        (b"a: 1\x00", "s.yaml:1:5: character U+0000 is not allowed"),
        (b"a: 1\n" * 2_000_001, "'s.yaml' is larger than 10 MB"),
    ],
    ids=["empty", "comment", "list", "scalar", "latin", "nul", "large"],
)
def test_files_that_are_no_scenario(content: bytes, expected: str) -> None:
    Path("s.yaml").write_bytes(content)
    (problem,) = reading_problems(Path("s.yaml"))
    assert problem.startswith(expected)


def test_paths_that_are_no_file() -> None:
    Path("folder").mkdir()
    assert reading_problems(Path("none.yaml")) == ["no such file (got 'none.yaml')"]
    assert reading_problems(Path("folder")) == ["'folder' is a folder, a scenario file is expected"]
    (problem,) = reading_problems(Path("x" * 5000))
    assert "cannot be read: File name too long" in problem


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_no_file_raises_anything_but_a_scenario_error(content: bytes) -> None:
    Path("s.yaml").write_bytes(content)
    found: tuple[Problem, ...] = (Problem("none"),)
    try:
        read_document(Path("s.yaml"))
    except ScenarioError as error:
        found = error.problems
    assert found


# extends


def test_extends_merges_mappings_and_replaces_the_rest() -> None:
    write("base/base.yaml", "a: {x: 1, y: {z: 2}}\nlist: [1, 2]\nfile: data.csv\nkept: k\n")
    top = write("s.yaml", "extends: base/base.yaml\na: {y: {w: 3}}\nlist: [9]\nfile: mine.csv\n")
    document = read_document(top)
    assert document.data == {
        "a": {"x": 1, "y": {"z": 2, "w": 3}},
        "list": [9],
        "file": "mine.csv",
        "kept": "k",
    }
    assert document.data["file"].base_dir == Path.cwd()
    assert document.data["kept"].base_dir == Path.cwd() / "base"
    assert document.marks["kept",] == "base/base.yaml:4:7"
    assert document.marks["a", "x"] == "base/base.yaml:1:8"
    assert document.marks["a", "y", "w"] == "s.yaml:2:12"


@pytest.mark.parametrize(
    ("over", "merged"),
    [
        ("{type: csv, path: p}", {"type": "csv", "path": "p"}),
        ("{type: constant, note: n}", {"type": "constant", "value": 3, "note": "n"}),
        ("{note: n}", {"type": "constant", "value": 3, "note": "n"}),
    ],
)
def test_another_type_replaces_the_mapping(over: str, merged: dict[str, Any]) -> None:
    write("base.yaml", "signal: {type: constant, value: 3}")
    assert data(f"extends: base.yaml\nsignal: {over}")["signal"] == merged


def test_extends_in_steps_and_by_absolute_path(tmp_path: Path) -> None:
    write("deep/a.yaml", "x: 1\ny: 1\nz: 1\n")
    write("b.yaml", f"extends: {tmp_path}/deep/a.yaml\ny: 2\nz: 2\n")
    document = read_document(write("sub/s.yaml", "extends: ../b.yaml\nz: 3\n"))
    assert document.data == {"x": 1, "y": 2, "z": 3}
    assert document.marks["x",] == f"deep{os.sep}a.yaml:1:4"


def test_a_description_is_of_its_own_file() -> None:
    write("base.yaml", "name: base\ndescription: two GPUs\nsite: {description: kept}\n")
    over = write("s.yaml", "extends: base.yaml\nname: s\n")
    assert read_document(over).data == {"name": "s", "site": {"description": "kept"}}
    write("t.yaml", "extends: s.yaml\ndescription: three GPUs\n")
    assert read_document(Path("t.yaml")).data["description"] == "three GPUs"
    assert read_document(Path("base.yaml")).data["description"] == "two GPUs"


def test_a_circle_of_extends_prints_the_chain() -> None:
    write("a.yaml", "extends: b.yaml\n")
    write("b.yaml", "extends: a.yaml\n")
    assert reading_problems(Path("a.yaml")) == [
        "b.yaml:1:10 extends: extends runs in a circle: a.yaml -> b.yaml -> a.yaml"
    ]


def test_a_chain_of_extends_is_bounded() -> None:
    for index in range(30):
        write(f"{index}.yaml", f"extends: {index + 1}.yaml\n")
    (problem,) = reading_problems(Path("0.yaml"))
    assert "extends goes through more than 20 files" in problem


@pytest.mark.parametrize(
    ("extends", "expected"),
    [
        ("none.yaml", "s.yaml:2:10 extends: no such file (got 'none.yaml')"),
        ("3", "s.yaml:2:10 extends: expected the path of a scenario"),
        ("[a, b]", "s.yaml:2:10 extends: expected the path of a scenario"),
        ("~no-such-user/a.yaml", "s.yaml:2:10 extends: no such user (got '~no-such-user/a.yaml')"),
        (".", "s.yaml:2:10 extends: '.' is a folder, a scenario file is expected"),
        ("bad.yaml", "bad.yaml:1:4: found undefined alias 'b'"),
    ],
)
def test_extends_that_cannot_be_read(extends: str, expected: str) -> None:
    write("bad.yaml", "a: *b\n")
    path = write("s.yaml", f"a: 1\nextends: {extends}\n")
    assert reading_problems(path) == [expected]


# --set


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a=2", {"a": 2}),
        ("a=NO", {"a": "NO"}),
        ("a=null", {"a": None}),
        ("a=", {"a": None}),
        ("a=[1, {b: x}]", {"a": [1, {"b": "x"}]}),
        ("a=x=y", {"a": "x=y"}),
        ("b.c.d=1e3", {"a": 1, "b": {"c": {"d": 1000.0}}}),
    ],
)
def test_overrides(override: str, expected: object) -> None:
    assert data("a: 1", override) == expected


def test_overrides_reach_into_lists() -> None:
    text = "sites: [{name: a, cluster: {gpu: h100}}, {name: b}]\nempty:\n"
    got = data(text, "sites.0.cluster.gpu=a100", "sites.2.name=c", "sites.1={}", "empty.x=1")
    assert got == {
        "sites": [{"name": "a", "cluster": {"gpu": "a100"}}, {}, {"name": "c"}],
        "empty": {"x": 1},
    }


NAMED = "sites: [{name: berlin, pue: 1}, {name: '1', pue: 2}, {name: frankfurt}]"


@pytest.mark.parametrize(
    ("override", "index", "site"),
    [
        ("sites.berlin.pue=3", 0, {"name": "berlin", "pue": 3}),
        ("sites.frankfurt.cluster.gpu=a100", 2, {"name": "frankfurt", "cluster": {"gpu": "a100"}}),
        ("sites.frankfurt={name: paris}", 2, {"name": "paris"}),
        ("sites.1.pue=4", 1, {"name": "1", "pue": 4}),
    ],
)
def test_entries_of_lists_by_their_names(override: str, index: int, site: object) -> None:
    assert data(NAMED, override)["sites"][index] == site


def test_a_name_that_no_entry_has() -> None:
    path = write("s.yaml", NAMED)
    assert reading_problems(path, "sites.frankfort.pue=1", "sites.x=1") == [
        "--set sites.frankfort.pue: 'sites' has no entry of this name: expected berlin, 1, "
        "frankfurt, or an index (got 'frankfort'); did you mean 'frankfurt'?",
        "--set sites.x: 'sites' has no entry of this name: expected berlin, 1, frankfurt, or an "
        "index (got 'x')",
    ]


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("sites.frankfurt.pue", "sites.2.pue"),
        ("sites.1.pue", "sites.1.pue"),
        ("sites.paris.pue", "sites.paris.pue"),
        ("sites.99999999999999999999.pue", "sites.99999999999999999999.pue"),
        ("sites.0.name.x", "sites.0.name.x"),
        ("seed", "seed"),
    ],
)
def test_two_paths_to_one_value_read_the_same(path: str, same: str) -> None:
    assert indexed(data(NAMED), path) == same


def test_a_changed_type_keeps_the_other_keys() -> None:
    got = data("e: {type: a, x: 1}", "e.type=b")
    assert got == {"e": {"type": "b", "x": 1}}


def test_overrides_are_marked_and_relative_to_the_working_directory() -> None:
    path = write("dir/s.yaml", "a: {b: x}")
    document = read_document(path, ["a.b=y", "n.m.o={p: z}"])
    assert document.data["a"]["b"].base_dir == Path.cwd()
    assert document.marks["a", "b"] == document.key_marks["a", "b"] == "--set a.b"
    assert document.marks["n", "m", "o", "p"] == document.marks["n",] == "--set n.m.o"


def test_overrides_that_cannot_be_set_are_reported_together() -> None:
    path = write("s.yaml", "a: 1\nlist: [1, 2]\n")
    wrong = ["seed", "=3", "a..b=1", "a.b=1", "list.x=1", "list.3=1", "list.-1=1", "a=[1", "a=!x y"]
    assert reading_problems(path, *wrong) == [
        "--set seed: expected key=value, such as seed=7",
        "--set =3: a key is empty",
        "--set a..b=1: a key is empty",
        "--set a.b: 'a' is a single value, it has no 'b'",
        "--set list.x: 'list' is a list: expected an index (got 'x')",
        "--set list.3: index 3 is out of range: 'list' has 2 entries, 2 appends",
        "--set list.-1: 'list' is a list: expected an index (got '-1')",
        "--set a: expected ',' or ']', but got '<stream end>'",
        "--set a: tags that build objects are not allowed (got !x)",
    ]


def test_problems_of_the_file_and_of_overrides_are_reported_together() -> None:
    path = write("s.yaml", "a: !x 1\nb: !y 2\n")
    assert len(reading_problems(path, "seed")) == 3


# Models


def test_a_document_becomes_a_model() -> None:
    text = (
        "seed: 4e5\nstart: 2023-06-08T00:00:00Z\nstep: 15min\ntrace: t.csv\n"
        "sites: [{name: a, cluster: {gpu: h100, pue: 2, mode: exact, shares: [1, 0.5],"
        " execution: {type: measured, path: p}, shorthand: {type: roofline}, ids: {'1': 2}}}]\n"
    )
    write("dir/t.csv", "")
    scenario = validate_document(read_document(write("dir/s.yaml", text)), Scenario)
    assert scenario.seed == 400_000
    assert scenario.step == 900
    assert scenario.trace == Path.cwd() / "dir" / "t.csv"
    cluster = scenario.sites[0].cluster
    assert cluster is not None
    assert cluster.execution == Measured(type="measured", path="p")
    assert cluster.shares == (1, 0.5)
    assert type(cluster.gpu) is str


def test_an_unknown_key_is_reported_where_it_is_written() -> None:
    assert cluster_problem("batch_cpa: 3") == (
        "s.yaml:4:5 sites.0.cluster.batch_cpa: unknown key; did you mean 'batch_cap'?"
    )


def test_an_unknown_key_without_a_near_one_lists_the_known() -> None:
    assert problems("sites: [{name: a, zzz: 1}]") == [
        "s.yaml:1:19 sites.0.zzz: unknown key (keys: name, cluster, enabled)"
    ]


def test_an_unknown_key_in_a_union_knows_the_keys_of_its_type() -> None:
    assert cluster_problem("execution: {type: roofline, efficency: 1}") == (
        "s.yaml:4:33 sites.0.cluster.execution.efficency: unknown key; did you mean 'efficiency'?"
    )
    assert cluster_problem("execution: {type: measured, path: p, x: 1}").endswith(
        "execution.x: unknown key (keys: type, path, roofline)"
    )


def test_a_key_that_is_named_like_a_tag_stays_in_the_path() -> None:
    line = "execution: {type: measured, path: p, roofline: {type: roofline, x: 1}}"
    assert " sites.0.cluster.execution.roofline.x: unknown key" in cluster_problem(line)


def test_a_missing_key_is_described_at_its_mapping() -> None:
    assert problems("sites:\n- name: a\n  cluster: {pue: 1}\n") == [
        "s.yaml:3:12 sites.0.cluster: missing key 'gpu' (Name of the GPU, as `cosim gpus` lists it)"
    ]
    assert cluster_problem("execution: {type: measured}").endswith(
        "cluster.execution: missing key 'path' (Table of measured times)"
    )
    assert problems("seed: 1") == ["s.yaml:1:1: missing key 'sites'"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "execution: {type: roofine}",
            ".execution.type: unknown type 'roofine'; did you mean 'roofline'? "
            "(expected one of: roofline, measured)",
        ),
        (
            "execution: {type: [a]}",
            ".execution.type: expected one of: roofline, measured (got a list)",
        ),
        ("execution: {path: p}", ".execution: missing key 'type' (one of roofline, measured)"),
        ("execution: roofline", ".execution: expected a mapping (got 'roofline', a string)"),
        (
            "router: round_robbin",
            ".router: expected 'round_robin' or 'least_loaded' "
            "(got 'round_robbin', a string; did you mean 'round_robin'?)",
        ),
        ("mode: 3", ".mode: expected 'fast' or 'exact' (got 3)"),
        ("batch_cap: -3", ".batch_cap: must be greater than 0 (got -3)"),
        ("batch_cap: 3.5", ".batch_cap: expected a whole number (got 3.5)"),
        ("batch_cap: true", ".batch_cap: expected a whole number (got true)"),
        ("pue: 0.5", ".pue: must be at least 1 (got 0.5)"),
        ("pue: 4", ".pue: must be at most 3 (got 4)"),
        ("pue: .nan", ".pue: must be a finite number (got nan)"),
        ("pue: 1e999", ".pue: must be a finite number (got inf)"),
        ("pue: yes", ".pue: expected a number (got 'yes', a string)"),
        ("pue: false", ".pue: expected a number (got false)"),
        ("pue:", ".pue: expected a number (got nothing)"),
        ("pue: [1]", ".pue: expected a number (got a list)"),
        (
            "pue: 3 kW",
            ".pue: expected a number (got '3 kW', a string; "
            "write the plain number in the unit of the key)",
        ),
        (
            "pue: '2'",
            ".pue: expected a number (got '2', a string; write it without quotes or leading zeros)",
        ),
        ("shares: 1", ".shares: expected a list (got 1)"),
        ("shares: [1, true]", ".shares.1: expected a number (got true)"),
        ("weights: {a: b}", ".weights.a: expected a number (got 'b', a string)"),
        ("weights: {a: 1, b: 2, c: 3}", ".weights: must have at most 2 entries (got 3)"),
        ("limit: much", ".limit: expected 'auto' or a number (got 'much', a string)"),
        ("limit: {}", ".limit: expected 'auto' or a number (got a mapping)"),
        ("shorthand: x", ".shorthand: expected a number or a mapping (got 'x', a string)"),
        (
            "shorthand: {type: roofline, efficiency: -1}",
            ".shorthand.efficiency: must be greater than 0 (got -1)",
        ),
    ],
)
def test_wrong_values(line: str, expected: str) -> None:
    problem = cluster_problem(line)
    assert problem.startswith("s.yaml:4:")
    assert problem.partition(" sites.0.cluster")[2] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("enabled: yes", "enabled: expected true or false (got 'yes', a string)"),
        ("enabled: 1", "enabled: expected true or false (got 1)"),
        ("cluster: []", "cluster: expected a mapping (got a list)"),
        ("name: 5", "name: expected a string (got 5; put it in quotes)"),
        ("name: true", "name: expected a string (got true; put it in quotes)"),
        ("name: a b", "name: a name has no spaces (got 'a b')"),
        (f"name: {'x y' * 99}", f"name: a name has no spaces (got '{'x y' * 20}…')"),
    ],
)
def test_wrong_values_of_a_site(text: str, expected: str) -> None:
    name = "" if text.startswith("name") else "name: a, "
    (problem,) = problems(f"sites: [{{{name}{text}}}]")
    assert problem.partition(" sites.0.")[2] == expected


DATE = "expected a date and time such as 2023-06-08T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start: 2023", f"start: {DATE} (got 2023)"),
        ("start: '2023'", f"start: {DATE} (got '2023')"),
        (
            "start: 2023-06",
            f"start: {DATE} (got '2023-06', a string)",
        ),
        (
            "aware: 2023-06-08T00:00:00",
            "aware: must end in Z or an offset from UTC, such as 2023-06-08T00:00:00Z "
            "(got '2023-06-08T00:00:00')",
        ),
        ("step: soon", "step: expected a duration such as 90s, 15min, 25h or 7d (got 'soon')"),
        ("step: true", "step: expected a duration such as 90s, 15min, 25h or 7d (got true)"),
        ("sites: []", "sites: must have at least 1 entry (got 0)"),
        ("sites: {}", "sites: expected a list (got a mapping)"),
    ],
)
def test_wrong_values_of_a_scenario(text: str, expected: str) -> None:
    sites = "" if text.startswith("sites") else "\nsites: [{name: a}]"
    (problem,) = problems(text + sites)
    assert problem.partition(" ")[2] == expected


def test_a_missing_file_is_looked_for_beside_the_scenario() -> None:
    (problem,) = problems("trace: t.csv\nsites: [{name: a}]")
    assert problem == f"s.yaml:1:8 trace: no such file (got '{Path.cwd() / 't.csv'}')"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".", "is a folder, a file is expected (got "),
        ("x" * 5000, "File name too long (got "),
        ("~no-such-user/t.csv", "no such user (got '~no-such-user/t.csv')"),
    ],
    ids=["folder", "long", "user"],
)
def test_input_files_that_cannot_be_used(path: str, expected: str) -> None:
    (problem,) = problems(f"trace: {path}\nsites: [{{name: a}}]")
    assert problem.startswith(f"s.yaml:1:8 trace: {expected}")


def test_a_problem_of_the_whole_has_no_path() -> None:
    assert problems("sites: [{name: a}, {name: a}]") == ["s.yaml:1:1: two sites have one name"]


def test_problems_are_ordered_by_place() -> None:
    text = "sites:\n- {name: a, cluster: {gpu: 3, pue: 0}}\n- {nam: b}\nseed: x\n"
    places = [problem.split()[0] for problem in problems(text, "step=soon")]
    assert places == [
        "--set",
        "s.yaml:2:28",
        "s.yaml:2:36",
        "s.yaml:3:3",
        "s.yaml:3:4",
        "s.yaml:4:7",
    ]


def test_a_problem_of_an_override_or_of_a_base_is_reported_there() -> None:
    write("base.yaml", "\nseed: x\n")
    assert problems("extends: base.yaml\nsites: [{name: a}]", "sites.0.nam=b") == [
        "--set sites.0.nam: unknown key; did you mean 'name'?",
        "base.yaml:2:7 seed: expected a whole number (got 'x', a string)",
    ]


def test_models_take_no_value_of_another_kind_wherever_it_stands() -> None:
    for wrong in ({"seed": "3"}, {"seed": True}, {"seed": 1.5}, {"start": 5}):
        with pytest.raises(ValidationError):
            Scenario.model_validate({"sites": [{"name": "a"}], **wrong})
