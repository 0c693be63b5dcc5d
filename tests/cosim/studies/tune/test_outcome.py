"""The folder of a tuning: what was written is read again, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cosim.errors import CosimError
from cosim.report.charts import BarChart
from cosim.studies.runs.interval import Interval
from cosim.studies.tune.outcome import TUNING
from cosim.studies.tune.page import tuning_page
from cosim.studies.tune.tuning import Tuning
from tests.cosim.studies.tune.figures import trial, tuning


def found() -> Tuning:
    trials = [trial(0, 0.5, [900.0, 901.0]), trial(1, 0.25, [800.0, 810.0])]
    return tuning(trials, [900.0, 910.0, 905.0], [860.0, 860.0, 860.0])


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    TUNING.write(found(), first)
    again = TUNING.read(first)
    assert again == found()
    TUNING.write(again, second)
    for path in first.iterdir():
        assert (second / path.name).read_bytes() == path.read_bytes(), path.name
    content = json.loads((first / "tuning.json").read_text())
    assert content["best"] == 1
    assert content["verdict"].startswith("hold beats its defaults by ")
    frame = pd.read_parquet(first / "trials.parquet")
    assert frame["share"].tolist() == [0.5, 0.25]
    assert frame["rank"].tolist() == [2, 1]
    assert "share: 0.25" in (first / "tuned.yaml").read_text()


def test_the_mean_over_the_weeks_has_an_interval() -> None:
    tuned = found()
    chart = next(chart for chart in tuning_page(tuned).charts if chart.key == "savings")
    assert isinstance(chart, BarChart)
    assert list(chart.categories) == [*tuned.test_weeks, "mean of all"]
    for group, shares in zip(chart.groups, tuned.savings, strict=True):
        mean = Interval.of(shares)
        *weeks, last = [group.interval(k) for k in range(len(chart.categories))]
        assert weeks == [None] * len(shares)
        assert last == pytest.approx(
            [100 * (mean.mean - mean.half_width), 100 * (mean.mean + mean.half_width)]
        )
        assert group.values[-1] == pytest.approx(100 * mean.mean, abs=0.005)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trials", [], "tested: expected the runs of noop, defaults and tuned, and some trials"),
        ("noop", [{"seed": 1}], "runs.0.import_g: Field required"),
        ("sampler", "guess", "sampler: Input should be 'random' or 'tpe'"),
    ],
)
def test_a_damaged_folder(tmp_path: Path, key: str, value: object, message: str) -> None:
    TUNING.write(found(), tmp_path)
    path = tmp_path / "tuning.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(CosimError) as raised:
        TUNING.read(tmp_path)
    assert message in str(raised.value)
    assert "run cosim tune again" in str(raised.value)
