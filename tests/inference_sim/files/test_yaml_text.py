from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference_sim.errors import FileError, Problem
from inference_sim.files.yaml_text import (
    MAX_DEPTH,
    MAX_NODES,
    Node,
    parse_yaml,
    read_mapping,
    write_yaml,
)
from tests.samples import examples


def parse(text: str) -> Node:
    return parse_yaml(text, lambda line, column: f"f.yaml:{line}:{column}")


def read(text: str) -> Any:
    return parse(text).plain()


def problems(text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+7", 7),
        ("1e3", 1000.0),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1.5e+3", 1500.0),
        ("0.25", 0.25),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("1e999", math.inf),
        ("!!float 5", 5.0),
        ("!!str 5", "5"),
        ("'5'", "5"),
        ('"true"', "true"),
    ],
)
def test_plain_scalars(written: str, value: object) -> None:
    got = read(f"key: {written}\n")["key"]
    assert got == value
    assert isinstance(got, type(value))


def test_nan_is_a_float() -> None:
    assert math.isnan(read("x: .nan")["x"])


@pytest.mark.parametrize(
    "text",
    [
        *("NO", "no", "Yes", "y", "on", "OFF", "tRue", "nUll"),
        *("010", "-010", "00", "010.5", "0x1f", "0o17", "0b1", "1_000", "1:30", "190:20:30"),
        *("2023-06-08", "2023-06-08T00:00:00Z", "1e", ".", "e3", "+", "inf", "nan", "25h", "="),
    ],
)
def test_surprises_of_yaml_1_1_are_strings(text: str) -> None:
    got = read(f"key: {text}\n")["key"]
    assert got == text
    assert type(got) is str


def test_strings_are_made_as_asked() -> None:
    class Text(str): ...

    node = parse_yaml("a: [b, 1]", lambda line, column: "", Text)
    assert [type(child.value) for child in node.value["a"].value] == [Text, int]


def test_keys_are_plain_strings() -> None:
    (key,) = read("name: x")
    assert type(key) is str


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("x: !!python/object/apply:os.system ['true']", "!!python/object/apply:os.system"),
        ("x: !custom 3", "!custom"),
        ("x: !!timestamp 2023-06-08", "!!timestamp"),
        ("x: !!binary aGk=", "!!binary"),
        ("x: !!set {a, b}", "!!set"),
        ("x: !!omap [a: 1]", "!!omap"),
        ("x: !!map [a]", "!!map"),
        ("x: !!str {a: 1}", "!!str"),
        ("x: !<tag:example.org,2020:y> 1", "tag:example.org,2020:y"),
    ],
)
def test_tags_are_refused(text: str, tag: str) -> None:
    expected = f"f.yaml:1:4: tags that build objects are not allowed (got {tag})"
    assert problems(text) == [expected]


def test_tag_on_a_key_is_refused() -> None:
    (problem,) = problems("!custom x: 1")
    assert problem.startswith("f.yaml:1:1: tags that build objects")


def test_core_tag_must_fit_its_value() -> None:
    assert problems("x: !!int abc") == ["f.yaml:1:4: 'abc' is not a value of the type !!int"]


def test_marks_of_values_and_keys() -> None:
    root = parse("# comment\na:\n  - b: 1\n")
    item = root.value["a"].value[0]
    assert (root.value["a"].key_mark, root.value["a"].mark) == ("f.yaml:2:1", "f.yaml:3:3")
    assert (item.value["b"].key_mark, item.value["b"].mark) == ("f.yaml:3:5", "f.yaml:3:8")
    assert item.key_mark == item.mark == "f.yaml:3:5"


def test_a_key_given_twice_names_both_places() -> None:
    assert problems("a: 1\nb: 2\na: 3\n") == [
        "f.yaml:3:1: key 'a' is given twice; first at f.yaml:1:1"
    ]


@pytest.mark.parametrize("key", ["1", "1.5", "true", "null", "~"])
def test_keys_must_be_strings(key: str) -> None:
    assert problems(f"{key}: x") == [
        f"f.yaml:1:1: a key must be a string; put it in quotes (got {key})"
    ]


def test_keys_must_be_scalars() -> None:
    assert "a key must be a string (got a list or a mapping)" in problems("? [a]\n: x")[0]


def test_quoted_key_that_looks_like_a_number() -> None:
    assert read("'1': x") == {"1": "x"}


def test_merge_keys_are_refused() -> None:
    (problem,) = problems("a: &a {x: 1}\nb:\n  <<: *a\n")
    assert problem.startswith("f.yaml:3:3: merge keys (<<) are not supported; use extends")


def test_aliases_are_written_out() -> None:
    root = parse("a: &a {x: [1]}\nb: *a\n")
    assert root.plain() == {"a": {"x": [1]}, "b": {"x": [1]}}
    assert root.value["b"].key_mark == "f.yaml:2:1"
    assert root.value["a"].value["x"] is not root.value["b"].value["x"]


def test_anchor_that_contains_itself() -> None:
    assert problems("a: &a [*a]") == ["f.yaml:1:4: an anchor contains itself"]


def test_unknown_alias() -> None:
    assert problems("a: *nothing") == ["f.yaml:1:4: found undefined alias 'nothing'"]


def test_aliases_cannot_multiply_without_bound() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    (problem,) = problems("\n".join(levels))
    assert f"too many values: more than {MAX_NODES}" in problem


def test_deep_nesting_is_bounded() -> None:
    depth = MAX_DEPTH + 1
    assert problems("[" * depth + "]" * depth) == [f"f.yaml:1:{depth}: nested too deeply"]
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_empty_documents() -> None:
    assert read("") is None
    assert read("# only a comment\n") is None
    assert read("---\n") is None


def test_several_documents_are_refused() -> None:
    assert problems("a: 1\n---\nb: 2\n") == [
        "f.yaml:2:1: a second document begins here, one is expected"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab cannot indent YAML; use spaces"),
        (
            "a:\n    b: 1\n   c: 2\n",
            "f.yaml:3:4: this does not line up with the block that begins at line 1; "
            "check the indentation",
        ),
        (
            "a: b: c\n",
            "f.yaml:1:5: a ':' is not allowed here; quote the text, or check the indentation",
        ),
        ("a:\n  b\nc\n", "f.yaml:4:1: a ':' is missing after a key before this place"),
        ("a: 'b\n", "f.yaml:2:1: found unexpected end of stream"),
        ("a: {b: 1\n", "f.yaml:2:1: expected ',' or '}', but got '<stream end>'"),
        ('a: "\\U00110000"', "f.yaml:1:7: a number here is too large"),
        ('a: "\\ud800"', "f.yaml:1:4: half of a surrogate pair is not a character"),
        ("a: b\n\x07", "f.yaml:2:1: character U+0007 is not allowed"),
        ("a: " + "9" * 101, "f.yaml:1:4: a whole number has at most 100 digits"),
    ],
)
def test_syntax_errors_in_plain_words(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_all_problems_of_a_file_at_once() -> None:
    assert len(problems("a: !x 1\n2: b\nc: [!y 3]\nc: 4\n")) == 4


# Strings that YAML 1.1 leaves unquoted though they are numbers to us: 1e3, 1.5e3.
_any_string = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), max_size=20
)
_strings = _any_string.filter(lambda text: not _looks_like_a_float(text))


def _values(strings: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**30), 10**30)
        | st.floats(allow_nan=False)
        | strings,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
        max_leaves=12,
    )


def _looks_like_a_float(text: str) -> bool:
    try:
        return math.isfinite(float(text)) or "e" in text.lower()
    except ValueError:
        return False


@settings(max_examples=examples(150))
@given(_values(_strings))
def test_what_yaml_writes_reads_back(value: object) -> None:
    assert read(yaml.safe_dump(value)) == value


@settings(max_examples=examples(150))
@given(st.dictionaries(_any_string, _values(_any_string), max_size=4))
@example({"name": "1e3", "7e2": ".5e1", "\x85": "a\u2028"})
def test_what_is_written_reads_back(value: dict[str, object]) -> None:
    assert read(write_yaml(value)) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "gpu.yaml:1:1: the file is empty"),
        (b"- a\n", "gpu.yaml:1:1: a GPU is a mapping of keys such as 'name: \u2026' (got a list)"),
        (b"\xff", "'gpu.yaml' is not text in UTF-8 (byte 0)"),
        (None, "no such file (got 'gpu.yaml')"),
    ],
)
def test_files_that_are_no_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("gpu.yaml")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        read_mapping(path, "a GPU")
    assert str(caught.value) == message


_fragments = st.sampled_from(
    [
        *"[]{}:,-?!&*|>%@#'\"\\\n\t ~<=0aU8_.",
        ": ",
        "- ",
        "\n  ",
        "<<",
        "!!int ",
        "&a ",
        "*a",
        "---\n",
    ]
)


@settings(max_examples=examples(300))
@given(st.lists(_fragments | st.characters(), max_size=30).map("".join))
@example("%YAML 1." + "9" * 5000 + "\n---\na")
@example("!!float 1e")
@example("--- !\n")
def test_no_text_raises_anything_but_a_file_error(text: str) -> None:
    found: tuple[Problem, ...] = ()
    try:
        parse(text)
    except FileError as error:
        found = error.problems
    assert all(problem.where.startswith("f.yaml:") for problem in found)
