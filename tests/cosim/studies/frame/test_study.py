"""The frame of a study: its folder is written file by file, read again, and has a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.report.page import Page, Section, paragraph
from cosim.studies.frame.study import StudyFrame, read_json, read_runs
from cosim.studies.frame.table import TextTable, markdown_page
from cosim.studies.kinds import Kind
from cosim.studies.runs.figures import RunFigures

KIND = Kind("cosim greet", "greeting.json", "nowhere", keeps_runs=True)


def load(folder: Path) -> str:
    return read_json(folder / KIND.marker, KIND, lambda content: str(content["greeting"]))


GREETINGS = StudyFrame(
    kind=KIND,
    files=lambda greeting: {
        KIND.marker: f'{{"greeting": "{greeting}"}}',
        "greeting.bin": lambda path: path.write_bytes(greeting.encode()),
    },
    load=load,
    page=lambda greeting: Page(greeting, [Section("all", "All", [paragraph(greeting)])]),
)


def test_an_outcome_is_written_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    GREETINGS.write("hello", tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"greeting.json", "greeting.bin", "report.html", "mine.txt"}
    assert GREETINGS.read(tmp_path) == "hello"
    assert GREETINGS.folder_page(tmp_path).html() == (tmp_path / "report.html").read_text()


def test_a_file_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path) -> None:
    GREETINGS.write("hello", tmp_path)
    with pytest.raises(UnicodeEncodeError):
        GREETINGS.write("\ud800", tmp_path)
    assert GREETINGS.read(tmp_path) == "hello"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as raised:
        GREETINGS.read(tmp_path)
    assert str(raised.value) == (
        f"'{tmp_path}' is not a folder of cosim greet: it has no greeting.json"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{}", "'greeting' is missing"), ("[]", "list indices must be"), ("{", "Expecting property")],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / KIND.marker).write_text(content)
    with pytest.raises(CosimError) as raised:
        GREETINGS.read(tmp_path)
    text = str(raised.value)
    assert text.startswith(f"'{tmp_path / KIND.marker}' cannot be read: {reason}")
    assert text.endswith(
        "; run cosim greet again, which makes only those runs again that its runs/ does not hold"
    )


def test_runs_of_which_some_columns_were_written() -> None:
    """Figures that follow from others are written, and not read."""
    run = RunFigures(seed=3, import_g=5.0, embodied_g=1.0, facility_kwh=2.0, output_tokens=100)
    columns = ("seed", "total_g", "import_g", "embodied_g", "output_tokens")
    written = run.columns(columns)
    assert written["total_g"] == 6.0
    (read,) = read_runs([written], columns)
    assert read == RunFigures(seed=3, import_g=5.0, embodied_g=1.0, output_tokens=100)
    assert read.per_1k_tokens_g == 60.0


def test_a_column_that_is_missing_has_no_default() -> None:
    entries = [{"seed": 1, "late": 2}, {"seed": 2}]
    with pytest.raises(ValueError, match=r"runs\.1\.late: Field required"):
        read_runs(entries, ("seed", "late"))


def test_a_table_is_the_same_in_a_page_and_in_markdown() -> None:
    table = TextTable(["name", "g"], [["a|b", "1"], ["<c>", "2"]])
    text = markdown_page("Title", table, ["A note."], "A description.")
    assert text == (
        "# Title\n\nA description.\n\n| name | g |\n| --- | --- |\n| a\\|b | 1 |\n| <c> | 2 |\n"
        "\nA note.\n"
    )
    html = table.html()
    assert '<th scope="row">a|b</th><td class="number">1</td>' in html
    assert '<th scope="row">&lt;c&gt;</th>' in html
