"""Live runs, with a server on the loopback interface."""

from __future__ import annotations

import contextlib
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import RunFailed, ScenarioError
from cosim.loop.live import Live
from cosim.loop.observer import RunObserver
from cosim.scenario.live import LiveCarbon
from cosim.signals.live_feed import LiveFeed, Reading, latest
from cosim.signals.live_feed import Server as Asked
from cosim.signals.web import PollFailed
from cosim.studies.runs.execute import Result, execute
from cosim.world.plan import load_plan
from tests.conftest import Cli
from tests.cosim.builders import REPOSITORY, edited, write, write_controller

NOW = datetime(2026, 3, 1, 12, 10, tzinfo=UTC).timestamp()
FAST = 12_000.0  # a step of a minute takes 5 ms
PATIENCE_S = 20.0  # with a server on a machine that is busy


@dataclass
class Server:
    """What the loopback server answers, and what it was asked for.

    Attributes:
        answer: Given the number of the request, from 1: a status and a body.
    """

    url: str = ""
    answer: Callable[[int], tuple[int, bytes]] = lambda count: (200, neso(200 + count))
    tokens: list[str | None] = field(default_factory=list)
    delay_s: float = 0.0
    drip_s: float = 0.0
    cut: int = 0


def neso(value: float | None, start: str = "", forecast: float | None = None) -> bytes:
    """The answer of /intensity, of the half-hour that has begun."""
    half_hour = datetime.fromtimestamp(time.time() // 1800 * 1800, UTC)
    entry = {
        "from": start or f"{half_hour:%Y-%m-%dT%H:%MZ}",
        "to": "2100-01-01T00:00Z",
        "intensity": {"forecast": forecast, "actual": value, "index": "moderate"},
    }
    return json.dumps({"data": [entry]}).encode()


def watttime(*points: tuple[str, float], **meta: Any) -> bytes:
    facts = {"region": "CAISO_NORTH", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh"} | meta
    data = [{"point_time": stamp, "value": value} for stamp, value in points]
    return json.dumps({"data": data, "meta": facts}).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.tokens.append(self.headers["Authorization"])
            time.sleep(state.delay_s)
            status, body = state.answer(len(state.tokens))
            piece = 8 if state.drip_s else len(body) + 1
            with contextlib.suppress(ConnectionError):  # who asked may have lost patience
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                body = body[: len(body) - state.cut]
                for start in range(0, len(body), piece):
                    self.wfile.write(body[start : start + piece])
                    time.sleep(state.drip_s)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        state.url = f"http://127.0.0.1:{http.server_port}/intensity"
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        http.shutdown()


def config(url: str = "http://localhost", shape: str = "neso", **keys: Any) -> LiveCarbon:
    return LiveCarbon.model_validate({"type": "live", "url": url, "format": shape} | keys)


# What an answer says


def test_neso_gives_the_actual_value_or_else_the_forecast() -> None:
    answer = json.dumps(
        {
            "data": [
                {"from": at, "to": "", "intensity": {"forecast": 266, "actual": value}}
                for at, value in (
                    ("2026-03-01T11:30Z", 263),
                    ("2026-03-01T12:00Z", None),
                    ("2026-03-01T12:30Z", None),
                )
            ]
        }
    ).encode()
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
    assert latest(answer, "neso", NOW) == Reading(noon, 266.0)
    assert latest(answer, "neso", noon - 600) == Reading(noon - 1800, 263.0)


def test_watttime_is_converted_from_pounds() -> None:
    answer = watttime(("2026-03-01T12:05:00+00:00", 870.0), ("2026-03-01T12:00:00+00:00", 860.0))
    assert latest(answer, "watttime", NOW) == Reading(NOW - 300, 870.0 * 0.45359237)


def test_offsets_are_taken_into_account() -> None:
    answer = watttime(("2026-03-01T04:05:00-08:00", 870.0))
    assert latest(answer, "watttime", NOW).start_s == NOW - 300


@pytest.mark.parametrize(
    ("shape", "answer", "says"),
    [
        ("neso", b"", "not JSON"),
        ("neso", b"<html>", "not JSON"),
        ("neso", b"[" * 100_000, "not JSON"),
        ("neso", b"[]", r"not of format 'neso': expected .\"data\": \[\.\.\.\]. \(got"),
        ("neso", b'{"data": {}}', r"expected .\"data\": \[\.\.\.\]. \(got"),
        ("neso", b'{"data": []}', "it is empty"),
        ("neso", b'{"data": [1]}', "as NESO has it"),
        ("neso", b'{"data": [{"from": "2026-03-01T12:00Z"}]}', "as NESO has it"),
        ("neso", neso(1, "2026-03-01"[:7]), "not a time"),
        ("neso", neso(-1), "not a carbon intensity"),
        ("neso", neso(None), "it is empty"),
        ("neso", neso(math.nan), "not a carbon intensity"),
        ("neso", neso(math.inf), "not a carbon intensity"),
        ("neso", neso(10**400), "not a carbon intensity"),
        ("neso", neso(1, "2027-01-01T00:00Z"), "the first begins at 2027-01-01T00:00:00Z"),
        ("neso", watttime(("2026-03-01T12:00Z", 1.0)), "as NESO has it"),
        ("watttime", neso(1), "not of format 'watttime': expected ."),
        ("watttime", watttime(units="percentile"), r"expected lbs_co2_per_mwh \(got 'percentile'"),
        ("watttime", watttime(signal_type="health_damage"), "got 'health_damage'"),
        ("watttime", watttime(signal_type="co2_aoer"), r"of kind marginal \(got average\)"),
        ("watttime", watttime(("2026-03-01T12:00Z", "x")), "not a number"),  # type: ignore[arg-type]
    ],
)
def test_other_answers_are_refused(shape: str, answer: bytes, says: str) -> None:
    with pytest.raises(PollFailed, match=says):
        latest(answer, shape, NOW)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text()
    | st.sampled_from(["2026-03-01T12:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "meta", "from", "intensity", "actual", "forecast", "value"]),
            inner,
        )
    ),
)


@given(JSON, st.sampled_from(["neso", "watttime"]))
def test_any_answer_is_a_value_or_refused(content: Any, shape: str) -> None:
    try:
        found = latest(json.dumps({"data": [content]}).encode(), shape, NOW)
    except PollFailed:
        return
    assert found.value_g_per_kwh >= 0


@given(st.binary())
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(PollFailed):
        latest(content, "neso", NOW)


LOGIN = {"user_env": "GRID_USER", "password_env": "GRID_PASSWORD"}


def test_a_token_is_fetched_and_renewed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server takes each token twice; then it answers 401 until there is a new one."""
    answers = [
        *((200, b'{"token": "one"}'), (200, neso(1)), (200, neso(2)), (401, b"")),
        *((200, b'{"token": "two"}'), (200, neso(3))),
    ]
    server.answer = lambda count: answers[count - 1]
    asked = Asked(config(server.url, login=LOGIN | {"url": server.url}))
    monkeypatch.setenv("GRID_USER", "me")
    with pytest.raises(PollFailed, match="GRID_PASSWORD, to log in, is not set"):
        asked.ask(time.time(), PATIENCE_S)
    monkeypatch.setenv("GRID_PASSWORD", "secret")
    values = [asked.ask(time.time(), PATIENCE_S).value_g_per_kwh for _ in range(3)]
    assert values == [1.0, 2.0, 3.0]
    basic = "Basic bWU6c2VjcmV0"
    assert server.tokens == [
        *(basic, "Bearer one", "Bearer one", "Bearer one", basic, "Bearer two")
    ]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, b""), "login: the server answers 401"),
        ((200, b"{}"), "does not answer {token}"),
        ((200, b"<html>"), "does not answer {token}"),
        ((200, b"[]"), "does not answer {token}"),
        ((200, b'{"token": ["a"]}'), "token is not one"),
        ((200, b'{"token": "a\\r\\nX-Evil: 1"}'), "token is not one"),
    ],
)
def test_a_login_that_fails_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes], says: str
) -> None:
    for name in LOGIN.values():
        monkeypatch.setenv(name, "x")
    server.answer = lambda count: answer
    with pytest.raises(PollFailed, match=re.escape(says)):
        Asked(config(server.url, login=LOGIN | {"url": server.url})).ask(NOW, PATIENCE_S)
    assert len(server.tokens) == 1


def test_a_token_that_is_refused_at_once_is_not_asked_for_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOGIN.values():
        monkeypatch.setenv(name, "x")
    server.answer = lambda count: (200, b'{"token": "t"}') if count % 2 else (403, b"")
    with pytest.raises(PollFailed, match="403"):
        Asked(config(server.url, login=LOGIN | {"url": server.url})).ask(NOW, PATIENCE_S)
    assert len(server.tokens) == 2


def test_long_and_slow_answers_are_refused(server: Server) -> None:
    server.answer = lambda count: (200, b" " * 5_000_001)
    with pytest.raises(PollFailed, match="longer than 5 MB"):
        Asked(config(server.url)).ask(NOW, PATIENCE_S)
    server.delay_s = 1.0
    with pytest.raises(PollFailed, match=r"not whole after 0\.05 s"):
        Asked(config(server.url)).ask(NOW, 0.05)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://x/y", "example.org", "http://"])
def test_only_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(ValueError, match="expected an address"):
        config(url)


def test_an_answer_that_breaks_off_is_refused(server: Server) -> None:
    server.cut = 10
    with pytest.raises(PollFailed, match="the answer is broken: peer closed connection"):
        Asked(config(server.url)).ask(NOW, PATIENCE_S)


def test_an_answer_that_drips_is_refused(server: Server) -> None:
    server.drip_s = 0.1
    began = time.monotonic()
    with pytest.raises(PollFailed, match=r"not whole after 0\.5 s"):
        Asked(config(server.url)).ask(NOW, 0.5)
    assert time.monotonic() - began < 2.0


# What a feed makes of it


def test_a_feed_holds_flags_and_recovers(server: Server) -> None:
    """Polled every 10 minutes, at once after a failure; stale when the poll failed, or by age."""
    answers = {1: 100.0, 2: None, 3: None, 4: 130.0}
    server.answer = lambda count: (
        (503, b"")
        if (value := answers.get(count)) is None
        else (200, neso(value, "2026-03-01T12:10Z"))
    )
    said: list[str] = []
    values = np.full(8, np.nan)
    feed = LiveFeed(config(server.url, every=600, stale_after=2000), values, said.append)
    seen = []
    for step in range(8):
        feed.begin(step, NOW + 300 * step, PATIENCE_S)
        seen.append(values[step:].tolist())
    assert seen == [[value] * (8 - step) for step, value in enumerate([100.0] * 4 + [130.0] * 4)]
    assert values.tolist() == [100.0] * 4 + [130.0] * 4
    assert feed.stale.tolist() == [False, False, True, True, False, False, True, True]
    assert feed.age_s.tolist() == [300.0 * step for step in range(8)]
    assert (feed.polls, feed.failed_polls) == (6, 4)
    assert said == [
        "the server answers 503 Service Unavailable; holding 100 g/kWh of 2026-03-01T12:10:00Z",
        "up to date again: 130 g/kWh of 2026-03-01T12:10:00Z",
        "the server answers 503 Service Unavailable; holding 130 g/kWh of 2026-03-01T12:10:00Z",
    ]


def test_a_server_that_repeats_itself_is_stale_by_age(server: Server) -> None:
    server.answer = lambda count: (200, neso(100, "2026-03-01T12:10Z"))
    said: list[str] = []
    feed = LiveFeed(config(server.url, every=60, stale_after=600), np.full(4, np.nan), said.append)
    for step in range(4):
        feed.begin(step, NOW + 300 * step, PATIENCE_S)
    assert feed.stale.tolist() == [False, False, False, True]
    assert feed.failed_polls == 0
    assert said == ["the server has nothing newer; holding 100 g/kWh of 2026-03-01T12:10:00Z"]


def test_a_server_that_is_down_is_asked_every_ten_seconds(server: Server) -> None:
    """Not at every step of a second: each may wait for as long as five."""
    server.answer = lambda count: (200, neso(1)) if count == 1 else (503, b"")
    now_s = time.time()
    feed = LiveFeed(config(server.url, every=30), np.full(61, np.nan), print)
    for step in range(61):
        feed.begin(step, now_s + step, PATIENCE_S)
    assert feed.polls == 1 + 4
    assert feed.stale.tolist() == [False] * 30 + [True] * 31


def test_an_older_value_does_not_replace_a_newer_one(server: Server) -> None:
    stamps = ["2026-03-01T12:00Z", "2026-03-01T11:30Z", "2026-03-01T12:00Z"]
    server.answer = lambda count: (200, neso(100 * count, stamps[count - 1]))
    values = np.full(3, np.nan)
    feed = LiveFeed(config(server.url, every=60), values, print)
    for step in range(3):
        feed.begin(step, NOW + 60 * step, PATIENCE_S)
    assert values.tolist() == [100.0, 100.0, 300.0]


# A run


def scenario(folder: Path, url: str, *changes: tuple[str, str], **keys: Any) -> Path:
    keys = {"every": "1min"} | keys
    live = "".join(f", {name}: {value}" for name, value in keys.items())
    text = edited(
        ("{type: typical_day, area: CISO}", f'{{type: live, url: "{url}", format: neso{live}}}'),
        ("duration: 20min", "duration: 10min"),
        *changes,
    )
    return write(folder / "live.yaml", text)


def run_live(path: Path, *overrides: str, speed: float = FAST, **keys: Any) -> Result:
    now = f"time.start={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    plan = load_plan(path, [now, *overrides])
    return execute(plan, path.parent / "out", live=Live(plan, speed=speed, **keys))


def steps_of(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path.parent / "out" / "steps.parquet")


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_controllers_see_what_has_just_come(tmp_path: Path, server: Server, coupling: str) -> None:
    """And nothing after it: the value of each step is the answer of that very step."""
    body = "return SiteAction(batch_cap=1 + int(observation.carbon_intensity_g_per_kwh) % 100)"
    entry = write_controller(tmp_path, body)
    old = "{type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}"
    path = scenario(tmp_path, server.url, (old, entry))
    result = run_live(path, f"coupling={coupling}")
    assert result.run.failure is None
    steps = steps_of(path)
    assert steps["carbon_intensity_g_per_kwh"].tolist() == [201.0 + step for step in range(10)]
    assert not steps["carbon_intensity_stale"].any()
    changes = [(one.step, one.new) for one in result.run.host.changes]
    assert changes == [(step, 2.0 + step) for step in range(10)]
    live = result.summary.live
    assert live.speed == FAST
    assert live.sites["dc"].polls == 10
    kwh = steps["import_w"] / 60 / 1000
    grams = (kwh * steps["carbon_intensity_g_per_kwh"]).sum()
    assert result.summary.totals.carbon_g.import_ == pytest.approx(grams)


def test_watttime_makes_a_marginal_footprint(tmp_path: Path, server: Server) -> None:
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}"
    server.answer = lambda count: (200, watttime((stamp, 1000.0)))
    path = scenario(tmp_path, server.url)
    path.write_text(path.read_text().replace("format: neso", "format: watttime"))
    result = run_live(path)
    assert result.summary.totals.carbon_g.kind == "marginal"
    assert (steps_of(path)["carbon_intensity_g_per_kwh"] == 453.59237).all()


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
@pytest.mark.parametrize("failure", [(500, b""), (200, b"oops"), (404, b"{}")])
def test_a_server_that_fails_for_a_while_does_not_end_the_run(
    tmp_path: Path, server: Server, coupling: str, failure: tuple[int, bytes]
) -> None:
    server.answer = lambda count: failure if 4 <= count <= 6 else (200, neso(200 + count))
    said: list[str] = []
    path = scenario(tmp_path, server.url)
    result = run_live(path, f"coupling={coupling}", notify=said.append)
    assert result.run.failure is None
    steps = steps_of(path)
    assert steps["carbon_intensity_g_per_kwh"].tolist() == [
        *(201.0, 202.0, 203.0, 203.0, 203.0, 203.0, 207.0, 208.0, 209.0, 210.0)
    ]
    assert np.flatnonzero(steps["carbon_intensity_stale"]).tolist() == [3, 4, 5]
    feed = result.summary.live.sites["dc"]
    assert (feed.polls, feed.failed_polls, feed.stale_steps) == (10, 3, 3)
    assert len(said) == 2
    assert "holding 203 g/kWh" in said[0]
    assert "up to date again: 207 g/kWh" in said[1]


def test_a_server_that_goes_away_for_good_leaves_its_last_value(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scenario(tmp_path, server.url)
    plan = load_plan(path, [f"time.start={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"])
    live = Live(plan, speed=FAST)

    class Leaving(RunObserver):
        def on_step(self, steps: int) -> None:
            if steps == 2:
                gone = Asked(config("http://127.0.0.1:9"))
                monkeypatch.setattr(live.feeds["dc"], "_server", gone)

    result = execute(plan, tmp_path / "out", observers=[Leaving()], live=live)
    assert result.run.failure is None
    steps = steps_of(path)
    assert steps["carbon_intensity_g_per_kwh"].tolist()[2:] == [202.0] * 8
    assert steps["carbon_intensity_stale"].tolist() == [False] * 2 + [True] * 8


def test_without_any_value_there_is_no_run(tmp_path: Path, server: Server) -> None:
    server.answer = lambda count: (503, b"")
    path = scenario(tmp_path, server.url)
    with pytest.raises(RunFailed, match=r"'dc' to begin with: the server answers 503 .*127\.0"):
        run_live(path)
    assert not (tmp_path / "out").exists()


def test_a_live_signal_needs_a_live_run(tmp_path: Path, server: Server) -> None:
    path = scenario(tmp_path, server.url)
    with pytest.raises(ScenarioError, match=r"site 'dc' is of type live: .*--live"):
        execute(load_plan(path), tmp_path / "out")
    assert server.tokens == []


@pytest.mark.parametrize("key", ["clairvoyant", "agnostic"])
def test_who_needs_the_future_is_refused(tmp_path: Path, server: Server, key: str) -> None:
    path = scenario(tmp_path, server.url)
    with pytest.raises(ScenarioError, match=rf"controller 'carbon_threshold' is {key}: .* live"):
        load_plan(path, [f"controllers.0.{key}=true"])
    with pytest.raises(ScenarioError, match=r"forecasts\.carbon_intensity: a noisy forecast is"):
        load_plan(path, ["forecasts.carbon_intensity={type: noisy, error: 0.1}"])
    assert server.tokens == []


@pytest.mark.parametrize("model", ["same_hour_yesterday", "persistence"])
def test_forecasts_are_made_from_what_has_come(tmp_path: Path, server: Server, model: str) -> None:
    """The server's values rise: none that is later than the present one is forecast."""
    body = (
        "mean = observation.forecasts['carbon_intensity'].mean\n"
        "        assert mean[0] == 201 + step and mean.max() <= mean[0], mean\n"
        "        return SiteAction()"
    )
    entry = write_controller(tmp_path, body)
    file = tmp_path / "mine.py"
    file.write_text(
        file.read_text().replace(
            "    def reset", "    forecasts = frozenset({'carbon_intensity'})\n\n    def reset"
        )
    )
    old = "{type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}"
    result = run_live(
        scenario(tmp_path, server.url, (old, entry)),
        f"forecasts.carbon_intensity={{type: {model}}}",
    )
    assert result.run.failure is None, result.run.failure


def test_a_site_with_a_plain_load_is_live_too(tmp_path: Path, server: Server) -> None:
    old = "    cluster:\n      model: meta-llama/Meta-Llama-3-8B\n      gpu: h100-sxm-80gb\n"
    workload = (
        "workload:\n  arrivals: {type: poisson, rate_per_s: 0.5}\n"
        "  lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}\n"
    )
    control = "controllers:\n  - {type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}"
    path = scenario(
        tmp_path,
        server.url,
        (old, "    load: {type: constant, power_w: 500}\n"),
        (workload, ""),
        (control, "controllers: []"),
    )
    began = time.monotonic()
    result = run_live(path, speed=4000)
    assert time.monotonic() - began >= 9 * 0.015
    assert result.run.failure is None
    assert steps_of(path)["carbon_intensity_g_per_kwh"].tolist() == [201.0 + k for k in range(10)]


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_steps_begin_when_their_time_has_come(
    tmp_path: Path, server: Server, coupling: str
) -> None:
    path = scenario(tmp_path, server.url)
    at: list[float] = []

    class Watch(RunObserver):
        def on_step(self, steps: int) -> None:
            at.append(time.monotonic())

    now = f"time.start={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    plan = load_plan(path, [now, f"coupling={coupling}"])
    live = Live(plan, speed=2400)
    execute(plan, observers=[Watch()], live=live)
    assert time.monotonic() - live.origin_s >= 10 * 0.025 - 1e-6
    # A machine that is busy makes a step late, never early.
    assert all(moment - live.origin_s >= 0.025 * step - 1e-6 for step, moment in enumerate(at))
    assert len(at) == 10


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_step_begins_once_before_its_controllers_are_asked(
    tmp_path: Path, server: Server, coupling: str
) -> None:
    entry = write_controller(tmp_path, "return SiteAction(batch_cap=1 + step)")
    old = "{type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}"
    path = scenario(tmp_path, server.url, (old, entry))
    now = f"time.start={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    plan = load_plan(path, [now, f"coupling={coupling}"])
    begun: list[tuple[int, int]] = []

    class Counted(Live):
        def begin(self, step: int) -> None:
            seen = getattr(plan.controllers[0].controller, "seen", [])
            begun.append((step, len(seen)))
            super().begin(step)

    result = execute(plan, live=Counted(plan, speed=FAST))
    assert result.run.failure is None
    assert begun == [(step, step) for step in range(10)]


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_drained_run_begins_no_step_after_its_last(
    tmp_path: Path, server: Server, coupling: str
) -> None:
    changes = (
        ("  duration: 10min", "  until: drained\n  max_duration: 1h"),
        ("workload:\n", "workload:\n  requests: 20\n"),
    )
    path = scenario(tmp_path, server.url, *changes)
    result = run_live(path, f"coupling={coupling}")
    steps = result.run.recorder.steps
    assert steps < 60
    assert result.run.live is not None
    assert result.run.live.feeds["dc"].polls == steps


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_the_clock_s_own_speed_is_vessim_s_live_environment(
    tmp_path: Path, server: Server, coupling: str
) -> None:
    path = scenario(tmp_path, server.url, every="1s")
    began = time.monotonic()
    settings = ("time.step=1s", "time.duration=2s", f"coupling={coupling}")
    result = run_live(path, *settings, speed=1.0)
    assert result.run.failure is None
    assert time.monotonic() - began >= 2.0
    assert steps_of(path)["carbon_intensity_g_per_kwh"].tolist() == [201.0, 202.0]


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_clock_goes_forward(tmp_path: Path, server: Server, speed: float) -> None:
    plan = load_plan(scenario(tmp_path, server.url))
    with pytest.raises(ValueError, match="speed must be positive"):
        Live(plan, speed=speed)


def test_the_page_tells_every_key_and_column(tmp_path: Path, server: Server) -> None:
    path = scenario(tmp_path, server.url)
    live = run_live(path).summary.to_dict()["live"]
    page = (REPOSITORY / "docs" / "live.md").read_text(encoding="utf-8")
    for name in (*live.keys() - {"sites"}, "carbon_intensity_age_s", "carbon_intensity_stale"):
        assert f"{name}`" in page
    assert set(re.findall(r"\.(\w+)`", page.split("`live.late_s`")[1])) >= set(live["sites"]["dc"])
    columns = set(steps_of(path).columns)
    assert {"carbon_intensity_age_s", "carbon_intensity_stale"} <= columns


# The command line


def test_the_command_line_begins_now_and_tells_what_is_stale(
    cosim: Cli, tmp_path: Path, server: Server
) -> None:
    server.answer = lambda count: (503, b"") if 4 <= count <= 6 else (200, neso(200 + count))
    path = scenario(tmp_path, server.url)
    assert cosim("validate", path).code == 0
    assert server.tokens == []

    before = datetime.now(UTC).replace(microsecond=0)
    answer = cosim("run", path, "--live", "--speed", FAST, "-o", "out")
    assert answer.code == 0, answer.err
    assert "holding 203 g/kWh" in answer.err
    assert "up to date again: 207 g/kWh" in answer.err
    flat = " ".join(answer.out.split())
    assert "carbon intensity of dc polled 10 times, 3 without a usable value" in flat
    assert "stale in 3 steps" in flat
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    start = datetime.fromisoformat(summary["time"]["start"])
    assert before <= start <= datetime.now(UTC)
    assert cosim("run", path, "--live", "--speed", FAST, "-o", "out", "--quiet").err == ""


def test_the_command_line_refuses_what_cannot_be(
    cosim: Cli, tmp_path: Path, server: Server
) -> None:
    path = scenario(tmp_path, server.url)
    offline = cosim("run", path, "-o", "out")
    assert (offline.code, offline.out) == (2, "")
    assert "`cosim run --live`" in offline.err
    for words in (("--speed", "2"), ("--live", "--speed", "0"), ("--live", "--speed", "nan")):
        answer = cosim("run", path, *words)
        assert answer.code == 2
        assert "--speed goes with --live" in answer.err
    server.answer = lambda count: (503, b"")
    down = cosim("run", path, "--live", "-o", "out")
    assert down.code == 1
    assert "no carbon intensity for site 'dc' to begin with" in down.err
    assert not (tmp_path / "out").exists()
