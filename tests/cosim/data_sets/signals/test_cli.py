"""``cosim signals``: what it prints, draws and downloads, and what it says when it cannot."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from cosim.data_sets import fetch as fetch_module
from cosim.data_sets.fetch import PublicSet
from cosim.data_sets.signals.summary import SignalSummary
from cosim.signals.series import Series
from tests.conftest import Cli
from tests.cosim.builders import BASE, data_file, edited, write
from tests.cosim.data_sets.test_fetch import Server, server
from tests.cosim.signals.formats.examples import BALANCE, MAPS_2025, NESO, SOLCAST

__all__ = ["server"]


def hourly(days: int = 3, without: tuple[int, ...] = ()) -> str:
    """Hours of which each has its own number of the day; some are left out."""
    return "point_time,value\n" + "".join(
        f"2022-06-{8 + hour // 24:02}T{hour % 24:02}:00:00Z,{hour % 24 / 0.45359237!r}\n"
        for hour in range(24 * days)
        if hour not in without
    )


class TestShow:
    def test_what_it_prints(self, cosim: Cli) -> None:
        write("w.csv", hourly(without=(5, 6, 30)))
        answer = cosim("signals", "show", "w.csv")
        assert (answer.code, answer.err) == (0, "")
        shown = " ".join(answer.out.split())
        for text in (
            "Signal w.csv",
            "From watttime: WattTime v3",
            "Span 2022-06-08T00:00:00Z to 2022-06-11T00:00:00Z: 3 days Step 1 h, 72 times",
            "Kind marginal",
            "Notes 3 of 72 values missing, in 2 gaps (the first from 2022-06-08T05:00:00Z, up to "
            "2:00:00 long): filled (hold)",
            "g/kWh mean min p10 p50 p90 max 11.44 0 2 11.5 21 23",
            "g/kWh, mean by hour of the day in UTC",
            "g/kWh, mean in intervals of 2 h",
        ):
            assert text in shown, text
        assert max(map(len, answer.out.splitlines())) <= 80

    def test_large_values_are_in_large_units(self, cosim: Cli) -> None:
        """A field of panels in kW; JSON keeps the unit of the scenario."""
        write("s.yaml", edited(("peak_power_w: 600", "peak_power_w: 80000")))
        answer = cosim("signals", "show", "s.yaml")
        assert answer.code == 0, answer.err
        assert "kW, mean in intervals" in answer.out

    def test_the_charts(self, cosim: Cli) -> None:
        """Bars as high as the values, to an eighth of a line, over a foot of 0."""
        write("w.csv", hourly())
        lines = cosim("signals", "show", "w.csv").out.splitlines()
        top = lines.index("g/kWh, mean by hour of the day in UTC") + 1
        chart = [line[4:].ljust(48) for line in lines[top : top + 8]]
        heights = [
            sum(" ▁▂▃▄▅▆▇█".index(row[column]) for row in chart) for column in range(0, 48, 2)
        ]
        assert heights == [int(np.ceil(hour / 30 * 64)) for hour in range(24)]
        assert lines[top][:4] == "30 |"
        assert lines[top + 8].split() == ["0", "+" + "-" * 48]

    def test_as_json(self, cosim: Cli) -> None:
        write("w.csv", hourly(without=(30,)))
        [found] = json.loads(cosim("signals", "show", "w.csv", "--json").out)["signals"]
        assert (found["kind"], found["unit"]) == ("marginal", "g/kWh")
        assert (found["intervals"], found["step_s"]) == (72, 3600)
        assert (found["start"], found["end"]) == ("2022-06-08T00:00:00Z", "2022-06-11T00:00:00Z")
        assert found["mean"] == pytest.approx((72 * 11.5 - 1) / 72)
        assert (found["min"], found["max"]) == (0, pytest.approx(23))
        expected = [hour - (hour == 6) / 3 for hour in range(24)]
        assert found["mean_day"]["mean"] == pytest.approx(expected)
        assert found["mean_day"]["p10"][7] == pytest.approx(7)
        assert len(found["notes"]) == 1
        assert found["over_time"]["interval_s"] == 3600
        assert len(found["over_time"]["mean"]) == 72

    def test_choices(self, cosim: Cli) -> None:
        for name, text in {
            "maps.csv": MAPS_2025,
            "neso.json": NESO,
            "eia.csv": BALANCE,
            "sun.csv": SOLCAST,
        }.items():
            write(name, text)
        for arguments, mean in (
            (("maps.csv", "--column", "direct"), (301.22 + 298.01 + 295.5) / 3),
            (("neso.json", "--column", "forecast"), (266 + 255 + 240) / 3),
            (("neso.json",), (263 + 251) / 2),
            (("eia.csv", "--area", "BPAT"), (21 + 18) / 2),
            (("sun.csv", "--column", "dhi"), (101 + 102 + 102) / 3),
            (("sun.csv", "--format", "csv", "--column", "Dhi"), (101 + 102 + 102) / 3),
        ):
            answer = cosim("signals", "show", *arguments, "--json")
            assert answer.code == 0, answer.err
            assert json.loads(answer.out)["signals"][0]["mean"] == pytest.approx(mean), arguments
        temperature = cosim("signals", "show", "sun.csv", "--column", "air_temp").out
        assert "°C, mean in intervals of 5 min" in temperature
        assert "-0.5" in temperature

    def test_plain_csv(self, cosim: Cli) -> None:
        write("p.csv", "t,price\n2022-06-08 00:00,-5\n2022-06-08 01:00,\n2022-06-08 02:00,5\n")
        answer = cosim(
            "signals", "show", "p.csv", "--timezone", "US/Pacific", "--stamp", "end", "--json"
        )
        [found] = json.loads(answer.out)["signals"]
        assert found["from"] == "csv: plain CSV"
        assert (found["start"], found["min"]) == ("2022-06-08T06:00:00Z", -5)
        assert found["mean_day"] is None
        shown = cosim("signals", "show", "p.csv", "--timezone", "UTC").out
        assert "\nmean in intervals of 1 h\n" in shown
        assert "2022-06-08T00:00 2022-06-08T03:00" in shown
        assert "-5 +---" in shown

    def test_a_scenario(self, cosim: Cli) -> None:
        write("s.yaml", BASE.replace("20min", "2d"))
        found = json.loads(cosim("signals", "show", "s.yaml", "--json").out)["signals"]
        assert [one["signal"] for one in found] == ["dc: carbon_intensity", "dc: solar"]
        assert [one["unit"] for one in found] == ["g/kWh", "W"]
        assert {one["intervals"] for one in found} == {2880}
        assert {one["start"] for one in found} == {"2022-06-08T00:00:00Z"}
        assert found[0]["kind"] == "average"
        assert np.argmax(found[1]["mean_day"]["mean"]) == 20
        answer = cosim("signals", "show", "s.yaml")
        assert "dc: solar" in answer.out
        assert "W, mean by hour of the day in UTC" in answer.out

    def test_built_in_hours(self, cosim: Cli) -> None:
        hours = "{type: hourly_2022, area: PJM}"
        text = edited(
            (
                "carbon_intensity: {type: typical_day, area: CISO}",
                f"carbon_intensity: {hours}\n      marginal_carbon_intensity: {hours}",
            ),
            (
                "{type: clear_sky, peak_power_w: 600}",
                "{type: fleet_2022, area: PJM, peak_power_w: 600}",
            ),
        )
        write("s.yaml", text)
        shown = json.loads(cosim("signals", "show", "s.yaml", "--json").out)["signals"]
        assert [(signal["signal"], signal["from"], signal["kind"]) for signal in shown] == [
            ("dc: carbon_intensity", "hourly_2022", "average"),
            ("dc: marginal_carbon_intensity", "hourly_2022", "marginal"),
            ("dc: solar", "fleet_2022", None),
        ]

    @pytest.mark.parametrize(
        ("name", "mean"), [("eia930_2022_CISO", 256.2), ("eia930_2022_ERCO", None)]
    )
    def test_real_files(self, cosim: Cli, name: str, mean: float | None) -> None:
        path = data_file(f"carbon/{name}.csv")
        [found] = json.loads(cosim("signals", "show", path, "--json").out)["signals"]
        assert found["intervals"] == 8760
        assert bool(found["notes"]) == (mean is not None)
        if mean is not None:
            assert found["mean"] == pytest.approx(mean, abs=0.05)

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("none.csv",), 2, "error: none.csv: the file cannot be read: No such file"),
            ((".",), 2, "error: .: the file cannot be read: Is a directory"),
            (("none.yaml",), 2, "error: "),
            (("s.yaml", "--area", "X"), 2, "error: --format, --area, --column and --timezone go"),
            (("bad.csv",), 2, "error: bad.csv:3: expected a number (got 'x')"),
            (("other.csv",), 2, "error: other.csv:1: no known format of signals (got the columns"),
            (("w.csv", "--format", "neso"), 2, "error: w.csv:1: expected JSON (got other text)"),
            (("w.csv", "--area", "X"), 2, "error: "),
            (("w.csv", "--timezone", "Mars"), 2, "error: --timezone: expected an IANA"),
            (("w.csv", "-o", "w.pdf"), 2, "error: a picture ends in .svg or .png (got 'w.pdf')"),
        ],
    )
    def test_errors(self, cosim: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
        text = hourly().splitlines()
        write("w.csv", "\n".join([f"{text[0]},region", *(f"{row},A" for row in text[1:])]))
        write("bad.csv", "point_time,value\n2022-06-08T00:00Z,1\n2022-06-08T01:00Z,x\n")
        write("other.csv", "a,b,c\n1,2,3\n")
        answer = cosim("signals", "show", *arguments)
        assert (answer.code, answer.out) == (code, "")
        assert answer.err.startswith(message)


class TestPicture:
    @pytest.fixture(autouse=True)
    def _needs_matplotlib(self) -> None:
        pytest.importorskip("matplotlib", reason="the extra [plots] is not installed")

    @pytest.mark.parametrize(("name", "magic"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG")])
    def test_drawn(self, cosim: Cli, name: str, magic: bytes) -> None:
        """The same bytes twice."""
        write("w.csv", hourly())
        digests = set()
        for _ in range(2):
            answer = cosim("signals", "show", "w.csv", "-o", name)
            assert (answer.code, answer.err) == (0, "")
            assert f"Picture  {name}" in answer.out
            content = Path(name).read_bytes()
            assert content.startswith(magic)
            digests.add(hashlib.sha256(content).hexdigest())
        assert len(digests) == 1

    def test_a_scenario(self, cosim: Cli) -> None:
        write("s.yaml", BASE)
        assert cosim("signals", "show", "s.yaml", "-o", "s.svg").code == 0
        assert Path("s.svg").stat().st_size > 10_000


class TestFetch:
    @pytest.fixture(autouse=True)
    def _published(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """One set, on the loopback interface."""
        pytest.importorskip("pooch", reason="the extra [fetch] is not installed")
        server.body = NESO.replace("null", "249").encode()
        wanted = PublicSet(
            name="a-signal",
            about="a signal",
            file="s.json",
            url=server.url,
            licence="CC-BY 4.0",
            cite="A. Author, 2023",
            format="neso",
        )
        monkeypatch.setattr(fetch_module, "public_sets", lambda kind: {"a-signal": wanted})

    def test_listed(self, cosim: Cli) -> None:
        answer = cosim("signals", "fetch")
        assert answer.code == 0
        assert answer.out.split()[:2] == ["signal", "format"]
        assert "a-signal" in answer.out

    def test_downloaded_and_used(self, cosim: Cli, server: Server) -> None:
        answer = cosim("signals", "fetch", "a-signal", "-o", "here")
        assert (answer.code, answer.err) == (0, "")
        for text in (
            hashlib.sha256(server.body).hexdigest(),
            "CC-BY 4.0",
            "A. Author, 2023",
            server.url,
            "carbon_intensity: {type: file, format: neso, path: here/s.json}",
        ):
            assert text in answer.out
        assert "neso: carbon intensity" in cosim("signals", "show", "here/s.json").out
        text = edited(
            ("{type: typical_day, area: CISO}", "{type: file, format: neso, path: here/s.json}"),
            ("2022-06-08T00:00", "2024-03-31T00:30"),
        )
        write("s.yaml", text)
        assert cosim("validate", "s.yaml").out.startswith("s.yaml: ok\n")

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"<!DOCTYPE html><title>Log in</title>", "is not a signal: no known format"),
            (b'{"error": "no token"}', "is not a signal: no known format of signals (got JSON"),
            (SOLCAST.encode(), "is a signal of format 'solcast' (expected 'neso')"),
        ],
    )
    def test_something_else(self, cosim: Cli, server: Server, body: bytes, message: str) -> None:
        server.body = body
        answer = cosim("signals", "fetch", "a-signal")
        assert answer.code == 1
        assert message in answer.err
        assert list(Path("data").iterdir()) == []

    def test_a_wrong_checksum(self, cosim: Cli) -> None:
        answer = cosim("signals", "fetch", "a-signal", "--sha256", "0" * 64)
        assert (answer.code, answer.out) == (1, "")
        assert "is not the expected file" in answer.err

    def test_an_unknown_name(self, cosim: Cli) -> None:
        answer = cosim("signals", "fetch", "a-signa")
        assert (answer.code, answer.out) == (1, "")
        assert "no public set 'a-signa'; did you mean 'a-signal'?" in answer.err


@pytest.mark.parametrize(("count", "step_s"), [(1, 60), (50, 300), (1000, 300), (9000, 3600)])
def test_over_time_keeps_the_mean(count: int, step_s: float) -> None:
    values = np.random.default_rng(1).uniform(0, 100, count)
    starts_s = 1.6e9 + step_s * np.arange(count)
    series = Series(starts_s, starts_s[-1] + step_s, values)
    width_s, means = SignalSummary("", "", "", series).over_time(66)
    assert len(means) <= 66
    assert width_s >= step_s
    span_s = count * step_s
    covered_s = np.minimum(width_s, span_s - width_s * np.arange(len(means)))
    assert covered_s.sum() > span_s - width_s / 4
    if covered_s.sum() == pytest.approx(span_s):
        assert (means * covered_s).sum() / span_s == pytest.approx(values.mean())
