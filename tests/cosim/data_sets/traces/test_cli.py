"""``cosim traces``: what it prints, draws and downloads, and what it says when it cannot."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from cosim.commands.traces import TimeUnit
from cosim.data_sets import fetch as fetch_module
from cosim.data_sets.fetch import PublicSet
from cosim.data_sets.traces import chart, summary
from inference_sim.workload.trace_formats import FORMATS, TIME_UNITS
from tests.conftest import Cli
from tests.cosim.builders import data_file, write
from tests.cosim.data_sets.test_fetch import Server, server

__all__ = ["server"]

BURSTGPT = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


def burstgpt(rows: int = 4000) -> str:
    """A request a second, and every tenth a failure."""
    return BURSTGPT + "".join(
        f"{second},GPT-4,{second % 100 + 1},{0 if second % 10 == 9 else 7},0,API log\n"
        for second in range(rows)
    )


class TestShow:
    def test_what_it_prints(self, cosim: Cli) -> None:
        write("t.csv", burstgpt())
        answer = cosim("traces", "show", "t.csv")
        assert (answer.code, answer.err) == (0, "")
        lines = [line.split() for line in answer.out.splitlines()]
        assert ["Format", "burstgpt:", "BurstGPT"] in lines
        assert "Requests  3,600 in 66.63 min: 0.9 requests/s on average, 0.9 in" in answer.out
        assert "Failures  400 more requests without response tokens, left out" in answer.out
        assert ["prompt", "50", "1", "11", "50", "89", "99", "99"] in lines
        assert ["output", "7", "7", "7", "7", "7", "7", "7"] in lines
        assert "requests/s, in intervals of 2 min" in answer.out
        assert max(map(len, answer.out.splitlines())) <= 80

    def test_as_json(self, cosim: Cli) -> None:
        write("t.csv", burstgpt())
        found = json.loads(cosim("traces", "show", "t.csv", "--json").out)
        assert (found["format"], found["requests"], found["failures"]) == ("burstgpt", 3600, 400)
        assert (found["span_s"], found["quantiles"]) == (3998, "exact")
        rate = found["rate"]
        assert rate["per_s"] == pytest.approx([0.9] * len(rate["per_s"]), abs=0.06)
        assert 40 < len(rate["per_s"]) <= 100
        assert found["tokens"]["prompt"]["max"] == 99

    def test_one_moment(self, cosim: Cli) -> None:
        write("t.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n5,3,4\n")
        assert "Requests  1, all at once" in cosim("traces", "show", "t.csv").out
        assert json.loads(cosim("traces", "show", "t.csv", "--json").out)["mean_rate_per_s"] is None

    def test_a_long_trace_is_sketched(self, cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        """And says so."""
        monkeypatch.setattr("cosim.accounting.quantiles.EXACT_VALUES", 100)
        write("t.csv", burstgpt())
        found = json.loads(cosim("traces", "show", "t.csv", "--json").out)
        assert found["quantiles"] == "sketch, relative error at most 0.001"
        assert found["tokens"]["prompt"]["p50"] == pytest.approx(50, rel=0.001)
        assert "sketch, relative error" in cosim("traces", "show", "t.csv").out

    def test_the_real_traces(self, cosim: Cli) -> None:
        path = data_file("traces/AzureLLMInferenceTrace_conv.csv")
        found = json.loads(cosim("traces", "show", path, "--json").out)
        assert (found["format"], found["requests"], found["failures"]) == ("azure", 19_366, 0)
        assert round(found["span_s"]) == 3502
        assert round(found["tokens"]["prompt"]["mean"]) == 1155
        assert round(found["tokens"]["output"]["mean"]) == 211

    def test_units_and_formats_have_the_same_names(self, cosim: Cli) -> None:
        assert [unit.value for unit in TimeUnit] == list(TIME_UNITS)
        text = " ".join(cosim("traces", "show", "--help").out.replace("│", " ").split())
        assert ", ".join(FORMATS) in text

    def test_what_is_left_out_is_counted(self, cosim: Cli) -> None:
        write("t.csv", BURSTGPT + "1,m,1,1,1,x\n1,m,0,1,1,x\n2,m,1,1,1,x\n")
        assert cosim("traces", "show", "t.csv").code == 2
        answer = cosim("traces", "show", "t.csv", "--skip", "invalid")
        assert "Left out  1 invalid row\n" in answer.out
        as_json = cosim("traces", "show", "t.csv", "--skip", "invalid", "--json").out
        assert json.loads(as_json)["skipped"] == 1
        as_json = cosim("traces", "show", "t.csv", "--skip=invalid", "--time-unit=ms", "--json").out
        assert json.loads(as_json)["span_s"] == 0.001

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("none.csv",), "error: none.csv: cannot be read: No such file or directory"),
            (("bad.csv",), "error: bad.csv:3: column Request tokens is not a whole number from 1"),
            (
                ("t.csv", "--format", "azur"),
                "error: unknown format of traces (got 'azur'); did you",
            ),
            (("t.csv", "--format", "azure"), "error: t.csv:1: the header lacks TIMESTAMP"),
            (("t.csv", "-o", "t.pdf"), "error: a picture ends in .svg or .png (got 't.pdf')"),
            ((".",), "error: .: cannot be read: Is a directory"),
        ],
    )
    def test_errors(self, cosim: Cli, arguments: tuple[str, ...], message: str) -> None:
        write("t.csv", burstgpt(10))
        write("bad.csv", BURSTGPT + "1,m,1,1,1,x\n1,m,0,1,1,x\n")
        answer = cosim("traces", "show", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(message)
        assert answer.err.count("\n") == 1


class TestPicture:
    @pytest.fixture(autouse=True)
    def _needs_matplotlib(self) -> None:
        pytest.importorskip("matplotlib", reason="the extra [plots] is not installed")

    @pytest.mark.parametrize(("name", "magic"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG")])
    def test_drawn(self, cosim: Cli, name: str, magic: bytes) -> None:
        """The same bytes twice."""
        write("t.csv", burstgpt())
        digests = set()
        for _ in range(2):
            answer = cosim("traces", "show", "t.csv", "-o", name)
            assert (answer.code, answer.err) == (0, "")
            content = Path(name).read_bytes()
            assert content.startswith(magic)
            digests.add(hashlib.sha256(content).hexdigest())
        assert len(digests) == 1
        assert {path.name for path in Path().iterdir()} == {"t.csv", name}

    def test_where_it_cannot_be_written(self, cosim: Cli) -> None:
        write("t.csv", burstgpt(10))
        answer = cosim("traces", "show", "t.csv", "-o", "nowhere/a.svg")
        assert answer.code == 1
        assert answer.err.startswith("error: 'nowhere/a.svg' cannot be written")

    def test_without_matplotlib(self, cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chart, "find_spec", lambda name: None)
        write("t.csv", burstgpt(10))
        answer = cosim("traces", "show", "t.csv", "-o", "a.svg")
        assert answer.code == 1
        assert "pip install 'carbon-cosim[plots]'" in answer.err


class TestFetch:
    @pytest.fixture(autouse=True)
    def _published(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """One set, on the loopback interface."""
        pytest.importorskip("pooch", reason="the extra [fetch] is not installed")
        wanted = PublicSet(
            name="a-trace",
            about="a trace",
            file="t.csv",
            url=server.url,
            licence="CC-BY 4.0",
            cite="A. Author, 2023",
            format="azure",
        )
        monkeypatch.setattr(fetch_module, "public_sets", lambda kind: {"a-trace": wanted})

    def test_listed(self, cosim: Cli) -> None:
        answer = cosim("traces", "fetch")
        assert answer.code == 0
        assert "a-trace" in answer.out

    def test_downloaded_and_used(self, cosim: Cli, server: Server) -> None:
        """With licence and citation; without a checksum, that is said."""
        answer = cosim("traces", "fetch", "a-trace", "-o", "here")
        assert (answer.code, answer.err) == (0, "")
        assert hashlib.sha256(server.body).hexdigest() in answer.out
        for text in ("CC-BY 4.0", "A. Author, 2023", server.url, "not checked", "here/t.csv"):
            assert text in answer.out
        again = cosim("traces", "fetch", "a-trace", "-o", "here").out
        assert "first download, in t.csv.sha256" in again
        assert "was there before" in again
        assert "Format    azure" in cosim("traces", "show", "here/t.csv").out

    def test_a_wrong_checksum(self, cosim: Cli) -> None:
        answer = cosim("traces", "fetch", "a-trace", "--sha256", "0" * 64)
        assert (answer.code, answer.out) == (1, "")
        assert "is not the expected file" in answer.err
        assert list(Path("data").iterdir()) == []

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"<!DOCTYPE html><title>Log in</title>", "is not a trace:1: no known format"),
            (burstgpt(3).encode(), "is a trace of format 'burstgpt' (expected 'azure')"),
        ],
    )
    def test_something_else(self, cosim: Cli, server: Server, body: bytes, message: str) -> None:
        server.body = body
        answer = cosim("traces", "fetch", "a-trace")
        assert answer.code == 1
        assert message in answer.err
        assert list(Path("data").iterdir()) == []

    def test_an_unknown_name(self, cosim: Cli) -> None:
        answer = cosim("traces", "fetch", "a-trac")
        assert (answer.code, answer.out) == (1, "")
        assert "no public set 'a-trac'; did you mean 'a-trace'?" in answer.err


def test_totals_over_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the file is cut into blocks."""
    path = tmp_path / "t.csv"
    path.write_text(burstgpt(500), encoding="utf-8")
    whole = summary.summarise_trace(path)
    monkeypatch.setattr("inference_sim.workload.text_blocks.BLOCK_BYTES", 100)
    pieces = summary.summarise_trace(path)
    assert pieces.to_dict() == whole.to_dict()
    assert np.isclose(whole.totals.peak_rate_per_s, 0.9)
