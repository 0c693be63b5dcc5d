"""Charts: what they show is where it belongs, as well-formed SVG, wide, narrow and alone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from cosim.report.charts import Chart, Point, bar_chart, line_chart, scatter_chart
from cosim.report.clock import UTC_CLOCK
from cosim.report.draw_pdf import write_pdf
from cosim.report.draw_svg import to_svg
from cosim.report.heat_map import HeatMap
from cosim.report.lines import Axis, ChartLine, LineChart, Mark, Panel
from cosim.report.page import Page, Section, _data, alarm, cards, paragraph, table
from cosim.report.size import NARROW, WIDE

NAN = float("nan")
LINES = line_chart(
    "lines",
    "Carbon & <rate>",
    [1, 2, 4],
    {"a<b": [10, NAN, 30], "b": [5, 5, 5]},
    x_label="rate [1/s]",
    y_label="carbon",
    unit="g",
    log_x=True,
)
BARS = bar_chart(
    "bars",
    "Energy",
    ["used", "charged"],
    {"mine": [3.0, -1.0], "theirs": [2.0, NAN]},
    label="energy",
    unit="kWh",
)
POINTS = scatter_chart(
    "points",
    "Trade-off",
    [Point("noop", 1.0, 5.0), Point("policy", 2.0, 3.0), Point("same", 2.0, 3.0)],
    x_label="p99 [s]",
    y_label="carbon",
    unit="g",
)
HEAT = HeatMap(
    "heat",
    "Load & hours",
    "load",
    "W",
    date(2022, 6, 8),
    np.arange(480.0).reshape(20, 24),
    UTC_CLOCK,
)
CHARTS: list[Chart] = [LINES, BARS, POINTS, HEAT]


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.key)
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda size: size.name)
def test_a_chart_is_well_formed_and_within_its_frame(chart: Chart, size: object) -> None:
    root = ET.fromstring(to_svg(chart, size, alone=True))  # noqa: S314
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    assert float(root.attrib["width"]) == width
    for one in root.iter():
        for name, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            if name in one.attrib and "%" not in one.attrib[name]:
                assert 0 <= float(one.attrib[name]) <= limit, one.attrib
    shown = "".join(root.itertext())
    assert chart.title in shown
    assert "var(" not in shown  # other readers of SVG than browsers know no variables


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.key)
def test_the_same_chart_gives_the_same_bytes(chart: Chart, tmp_path: object) -> None:
    assert to_svg(chart) == to_svg(chart)
    first, second = (tmp_path / f"{k}.pdf" for k in (1, 2))  # type: ignore[operator]
    write_pdf(chart, first)
    write_pdf(chart, second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"%PDF")


def test_lines_go_where_their_values_are() -> None:
    """On an axis of 0 to 10 over 100 s, drawn 120 px high."""
    chart = LineChart(
        "k",
        "t",
        Axis("linear", "x", 0, 100),
        np.array([0.0, 50.0]),
        [Panel("y", "W", [ChartLine("s", "blue", np.array([0.0, 10.0]))])],
        held=True,
        width=50.0,
    )
    svg = ET.fromstring(to_svg(chart))  # noqa: S314
    panel = next(one for one in svg if one.get("class") == "panel")
    top, bottom = float(panel.attrib["data-top"]), float(panel.attrib["data-bottom"])
    assert bottom - top == 120
    left, right = float(svg.attrib["data-left"]), float(svg.attrib["data-right"])
    line = next(one for one in panel if one.get("class") == "line blue")
    x0, y0, x1, y1, x2 = map(float, re.findall(r"-?[\d.]+", line.attrib["d"]))
    assert (x0, x2) == pytest.approx((left, right), abs=0.1)
    assert x1 == pytest.approx((left + right) / 2, abs=0.1)
    assert y0 == bottom
    assert y1 == pytest.approx(top + 120 * 0.5 / 10.5, abs=0.1)  # a twentieth is left above


def test_a_missing_value_is_a_gap() -> None:
    legend, line = re.findall(r'<path d="([^"]+)" class="line blue"', to_svg(LINES))
    assert (legend.count("M"), line.count("M")) == (1, 2)


def test_bars_are_as_long_as_their_values() -> None:
    svg = ET.fromstring(to_svg(BARS))  # noqa: S314
    widths = {
        one.attrib["data-value"]: float(one.attrib["width"])
        for one in svg.iter()
        if "data-value" in one.attrib
    }
    assert set(widths) == {"3.0", "-1.0", "2.0"}
    assert widths["3.0"] == pytest.approx(3 * widths["-1.0"], abs=0.3)
    assert widths["2.0"] == pytest.approx(2 * widths["-1.0"], abs=0.3)


def test_the_values_under_the_pointer_are_rounded_as_those_beside_the_bars() -> None:
    bars = bar_chart("b", "t", ["p", "q"], {"g": [0.1 + 0.2, -0.0]}, label="y", unit="kg")
    points = [Point("a", 0.1 + 0.2, 12345.678), Point("b", 1 / 3, -0.0)]
    scatter = scatter_chart("s", "t", points, x_label="x [s]", y_label="y", unit="kg")
    hints = re.findall("<title>(.*?)</title>", to_svg(bars) + to_svg(scatter))
    assert [hint for hint in hints if ": " in hint] == [
        "p, g: 300 g",
        "q, g: 0 g",
        "a: x 300 ms, y 12.35 t",
        "b: x 333.3 ms, y 0 t",
    ]


def test_units_suit_the_size_of_what_is_shown() -> None:
    """On axes, beside bars and under the pointer; the values themselves stay."""
    loads = line_chart("k", "t", [0, 1], {"a": [7e4, 1e3]}, x_label="t [s]", y_label="p", unit="W")
    assert "p [kW]" in to_svg(loads)
    (series,) = _data(loads)["series"]
    assert (series["mean"], series["unit"], series["per"]) == ([7e4, 1e3], "kW", 1000)
    grams = bar_chart("k", "t", ["a"], {"g": [1.8e8]}, label="carbon", unit="g CO2e")
    assert ">carbon [t CO2e]<" in to_svg(grams)
    assert ">180<" in to_svg(grams)
    waits = scatter_chart(
        "k",
        "t",
        [Point("a", 7200, 1), Point("b", 0.01, 2)],
        x_label="wait [s]",
        y_label="y",
        log_x=True,
    )
    for label in (">10 ms<", ">1 s<", ">1 min<", ">1 h<", ">wait<"):
        assert label in to_svg(waits)


def test_a_bar_too_short_to_see_has_a_short_label() -> None:
    bars = bar_chart("b", "t", ["p", "q"], {"g": [500.0, 6.87e-5]}, label="y", unit="kg")
    drawn = to_svg(bars)
    assert ">&lt; 0.001<" in drawn
    assert ">6.87e-5<" not in drawn


def test_error_bars_end_where_their_intervals_do(tmp_path: Path) -> None:
    bars = bar_chart(
        "b",
        "t",
        ["p", "q"],
        {"g": [4.0, 2.0]},
        label="y",
        unit="kg",
        intervals={"g": ([3.0, NAN], [5.0, NAN])},
    )
    svg = to_svg(bars)
    (d,) = re.findall(r'<path d="([^"]+)" class="whisker"', svg)
    low, high = (float(x) for x in re.findall(r"M([\d.]+)", d)[:2])
    left = float(re.findall(r'<path d="M([\d.]+)', svg)[1])  # the axis of the second category
    width = float(re.findall(r'width="([\d.]+)" height="16"', svg)[0])
    assert (low - left, high - left) == pytest.approx((width * 3 / 4, width * 5 / 4), abs=0.3)
    assert "p, g: 4 kg (3 to 5)" in svg
    point = Point("a", 2.0, 10.0, x_interval=(1.0, 3.0), y_interval=(9.0, 11.0))
    points = scatter_chart("s", "t", [point], x_label="x", y_label="y", unit="kg")
    drawn = to_svg(points)
    across, up = re.findall(r'<path d="([^"]+)" class="whisker"', drawn)
    cx, cy = (float(re.findall(rf'{c}="([\d.]+)"', drawn)[0]) for c in ("cx", "cy"))
    ends = [float(x) for x in re.findall(r"M([\d.]+)", across)[:2]]
    assert sum(ends) / 2 == pytest.approx(cx, abs=0.2)
    bottom, top = (float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)", up)[:2])
    assert bottom > cy > top
    assert "x 2 (1 to 3), y 10 kg (9 to 11)" in drawn
    for chart in (bars, points):
        write_pdf(chart, tmp_path / "chart.pdf")
    with pytest.raises(ValueError, match=r"'g' must have 2 values \(got 1\)"):
        bar_chart(
            "b", "t", ["p", "q"], {"g": [1, 2]}, label="", unit="", intervals={"g": ([1], [1])}
        )


def test_marks_lead_to_what_they_tell_of_and_close_ones_are_one() -> None:
    marks = [Mark(at, 1.0, f"at {at}", f"change-{at}") for at in (10, 10.1, 80)]
    series = [ChartLine("s", "blue", np.array([1.0, 2.0]))]
    panel = Panel("y", "", series, marks)
    axis = Axis("linear", "x", 0, 100)
    chart = LineChart("k", "t", axis, np.array([0.0, 50.0]), [panel])
    svg = to_svg(chart)
    assert re.findall(r'<a href="(#[^"]+)">', svg) == ["#change-10", "#change-80"]
    assert "2 changes; the first: at 10" in svg
    assert "<a " not in to_svg(chart, alone=True)  # there is no page to lead to


def test_no_limit_has_a_place_of_its_own() -> None:
    series = [ChartLine("s", "blue", np.array([2.0, np.inf]))]
    chart = LineChart(
        "k", "t", Axis("linear", "x", 0, 2), np.array([0.0, 1.0]), [Panel("y", "1/s", series)]
    )
    assert "unlimited" in to_svg(chart)


@pytest.mark.parametrize("x", [[], [1, 1], [2, 1]])
def test_places_must_ascend(x: list[float]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        line_chart("k", "t", x, {}, x_label="", y_label="")


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match=r"'a' must have 2 values \(got 1\)"):
        line_chart("k", "t", [1, 2], {"a": [1]}, x_label="", y_label="")
    with pytest.raises(ValueError, match=r"'a' must have 2 values \(got 1\)"):
        bar_chart("k", "t", ["p", "q"], {"a": [1]}, label="", unit="")
    with pytest.raises(ValueError, match="at least one point"):
        scatter_chart("k", "t", [], x_label="", y_label="")


def test_a_page_says_everything_as_it_is_meant() -> None:
    """Text is text, whatever is in it, and nothing is fetched."""
    nasty = "</script><script>alert('x')</script> & \"<b>\""
    lines = line_chart("k", nasty, [1.0], {nasty: [1.0]}, x_label=nasty, y_label=nasty)
    blocks = [lines, paragraph(nasty), table([nasty], [[nasty]], keys=["row"])]
    lead = [alarm(nasty), cards([(nasty,) * 3])]
    html = Page(nasty, [Section("one", nasty, blocks)], lead=lead).html()
    assert html.count("<script") == html.count("</script>") == 2
    assert '<b>"' not in html.replace('"<b>"', "")
    assert "alert('x')</script>" not in html
    assert not re.findall(r"(?:src|href)=\"(?!#|data:,)", html)
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/2000/svg", "", html)


def test_names_in_a_paragraph_are_code() -> None:
    assert paragraph("`a<b` brings `c`, not `d") == (
        "<p><code>a&lt;b</code> brings <code>c</code>, not `d</p>"
    )


def test_what_a_long_table_leaves_out_in_print_is_said() -> None:
    html = table(["k"], [[str(k)] for k in range(75)])
    kept, _, rest = html.partition('<tbody class="unprinted">')
    assert [part.count("<td>") for part in (kept, rest)] == [60, 15]
    assert '<p class="note printed">The first 60 of 75 rows; ' in rest
    short = table(["k"], [[str(k)] for k in range(60)])
    assert short.count("<td>") == 60
    assert "printed" not in short


def test_a_table_that_scrolls_within_its_box_says_so() -> None:
    assert "75 rows: scroll within the table." in table(["k"], [[str(k)] for k in range(75)])
    assert '<div class="wide-table long short"' in table(["k"], [[str(k)] for k in range(75)])
    for html in (
        table(["k"], [["a name of one line"]] * 60),
        table(["k"], [["k"]] * 75, whole=True),
    ):
        assert " long" not in html
        assert "scroll" not in html


def test_only_short_names_stay_on_one_line() -> None:
    assert " short" in table(["gpu", "carbon"], [["h100-sxm-80gb", "1" * 30]], numbers=[1])
    assert " short" not in table(["policy"], [["h100-sxm-80gb"], ["a name of many words " * 3]])


def test_on_a_phone_titles_and_names_of_points_take_several_lines() -> None:
    name = "solar 1200 W, battery 2000 Wh, replicas 3, gpu h100-sxm-80gb, with a long remark"
    label = "carbon per 1,000 output tokens, gpu h100-sxm-80gb, battery 2000 Wh"
    points = [Point(name, 1.0, 1.0), Point(f"{name} too", 2.0, 2.0), Point("short", 1.5, 1.0)]
    axis = Axis("linear", "x", 0, 2)
    line = ChartLine("mine", "blue", np.arange(3.0))
    lines = LineChart("k", "t", axis, np.arange(3.0), [Panel(label, "g", [line, line])])
    bars = bar_chart("bars", "Energy", ["a"], {"b": [3.0]}, label=label, unit="kWh")
    for chart in (scatter_chart("s", "t", points, x_label="x", y_label=label), lines, bars):
        root = ET.fromstring(to_svg(chart, NARROW))  # noqa: S314
        texts = list(root.iter("text"))
        assert len([one for one in texts if one.get("class") == "strong"]) >= 2
        for one in texts:
            assert one.text is not None
            width = NARROW.text_width(one.text)
            x = float(one.get("x", "nan"))
            if one.get("text-anchor") == "end":
                x -= width
            elif one.get("text-anchor") == "middle":
                x -= width / 2
            assert x >= -1
            assert x + width <= NARROW.width + 8, one.text
    said = " ".join(one.text or "" for one in ET.fromstring(to_svg(lines, NARROW)).iter("text"))  # noqa: S314
    assert f"{label} [g]" in said


def test_points_are_circles_on_a_logarithmic_axis() -> None:
    """From 1 to 100, with a third of a decade's tenth left at both ends; no line joins them."""
    series = [
        ChartLine("ours", "blue", np.array([1.0, 10.0, 100.0])),
        ChartLine("published", "ink", np.array([1.0, NAN, 100.0]), shape="points"),
    ]
    panel = Panel("energy", "kWh", series, log=True)
    chart = LineChart("k", "t", Axis("linear", "x", 0, 2), np.arange(3.0), [panel])
    root = ET.fromstring(to_svg(chart))  # noqa: S314
    part = next(one for one in root if one.get("class") == "panel")
    places = [one for one in part if one.get("class") == "line ink"]
    assert [one.tag for one in places] == ["circle", "circle"]
    (line,) = [one for one in part if one.get("class") == "line blue"]
    y = [float(pair.split()[1]) for pair in re.split("[ML]", line.attrib["d"])[1:]]
    assert y[0] - y[1] == pytest.approx(y[1] - y[2], abs=0.2)  # a decade is a decade
    assert [float(one.attrib["cy"]) for one in places] == pytest.approx([y[0], y[2]], abs=0.1)
    top, bottom = float(part.attrib["data-top"]), float(part.attrib["data-bottom"])
    assert top < y[2] < y[0] < bottom
