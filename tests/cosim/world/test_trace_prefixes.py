"""Prefixes and sessions of traces in runs: what is taken from a file, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cosim.studies.bounds.site_bound import site_bounds
from cosim.world.plan import load_plan
from cosim.world.workload import workload_source
from tests.conftest import Cli
from tests.cosim.builders import edited, write
from tests.cosim.world.test_trace_keys import GENERATED

CACHED = (
    "gpu: h100-sxm-80gb\n",
    "gpu: h100-sxm-80gb\n      scheduler: {type: vllm_v1, prefix_caching: true}\n",
)
UNCACHED = (CACHED[0], CACHED[1].replace("true", "false"))
BURSTGPT = "Timestamp,Session ID,Model,Request tokens,Response tokens\n"
SPAN = (
    '{{"startTimeUnixNano": {}, "gen_ai.usage.input_tokens": {}, "gen_ai.usage.output_tokens": 8, '
    '"gen_ai.conversation.id": "{}"}}\n'
)


def bailian(*rows: tuple[int, int, int, list[int]]) -> str:
    """Requests of (name, parent, prompt, hash ids), ten seconds apart, with answers of 20."""
    return "".join(
        json.dumps(
            {
                "chat_id": name,
                "parent_chat_id": parent,
                "timestamp": 10.5 * number,
                "input_length": prompt,
                "output_length": 20,
                "hash_ids": ids,
            }
        )
        + "\n"
        for number, (name, parent, prompt, ids) in enumerate(rows)
    )


TALK = bailian(
    (1, -1, 40, [1, 2, 3]),
    (2, 1, 80, [1, 2, 4, 5, 6]),
    (3, -1, 48, [1, 2, 7]),
    (4, 9, 16, []),
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def scenario(trace: str, *changes: tuple[str, str], keys: str = "") -> None:
    write("trace.txt", trace)
    write("s.yaml", edited((GENERATED, f"  trace: {{path: trace.txt{keys}}}\n"), *changes))


def share_with_another_site(*changes: tuple[str, str]) -> None:
    """Give 60 % of the trace to a second site, which is the same but for some changes."""
    head, rest = Path("s.yaml").read_text().split("  - name: dc\n")
    keys, tail = rest.split("controllers:")
    first = f"  - name: dc\n    share: 0.4\n{keys}"
    for old, new in changes:
        assert old in keys
        keys = keys.replace(old, new)
    other = f"  - name: other\n    share: 0.6\n{keys}"
    write("s.yaml", f"{head}{first}{other}controllers:{tail}")


def contents(site: int = 0) -> list[Any]:
    plan = load_plan(Path("s.yaml"))
    return [arrival.content for arrival in workload_source(plan.scenario, site).stream()]


def ran(cosim: Cli, folder: str = "results") -> dict[str, Any]:
    answer = cosim("run", "s.yaml", "-o", folder)
    assert answer.code == 0, answer.err
    (site,) = json.loads(Path(folder, "summary.json").read_text())["sites"].values()
    return site


class TestHashIds:
    @pytest.mark.parametrize("keys", ["", ", prefixes: hash_ids"])
    def test_are_found_in_a_cache(self, cosim: Cli, keys: str) -> None:
        """The second prompt also has the first one's answer: 60 tokens, in whole blocks of 16."""
        scenario(TALK, CACHED, keys=keys)
        tokens = ran(cosim)["tokens"]
        assert (tokens["cached"], tokens["prefilled"]) == (48 + 32, 40 + 80 + 48 + 16 - 80)

    def test_none_are_read(self, cosim: Cli) -> None:
        scenario(TALK, CACHED, keys=", prefixes: none")
        assert contents() == [None] * 4
        assert ran(cosim)["tokens"]["cached"] == 0
        assert "prompts share" not in cosim("validate", "s.yaml").out

    def test_leave_no_bound_of_the_emissions(self) -> None:
        """For a run computes less than all prompts; where nothing is cached, there is one."""
        scenario(TALK, CACHED)
        with pytest.raises(ValueError, match="prompts of the trace share text that caches find"):
            site_bounds(load_plan(Path("s.yaml")))
        scenario(TALK, UNCACHED)
        assert site_bounds(load_plan(Path("s.yaml")))

    @pytest.mark.parametrize("coupling", ["native", "mosaik"])
    def test_change_nothing_where_nothing_is_cached(self, cosim: Cli, coupling: str) -> None:
        """Not one byte of the results, but for the scenario itself."""
        changes = ("coupling: native", f"coupling: {coupling}")
        for folder, keys in (("with", ""), ("without", ", prefixes: none")):
            scenario(TALK, changes, UNCACHED, keys=keys)
            ran(cosim, folder)
        for name in ("steps.parquet", "requests.parquet", "actions.json"):
            if (with_file := Path("with", name)).exists():
                assert with_file.read_bytes() == Path("without", name).read_bytes(), name

    def test_of_sites_that_share_a_trace(self) -> None:
        """A session is served at one site, and its text is the same at every site."""
        rows = [(number, number - 100, 32, [number % 7, number]) for number in range(100, 400)]
        scenario(bailian(*rows), CACHED)
        whole = {content for content in contents() if content is not None}
        share_with_another_site()
        sites = contents(0), contents(1)
        assert sum(map(len, sites)) == 300
        assert {*sites[0], *sites[1]} == whole
        assert {runs[0] for runs in sites[0]} & {runs[0] for runs in sites[1]}


class TestSessions:
    def streams(self, text: str, keys: str) -> tuple[list[int], list[Any]]:
        scenario(text, CACHED, keys=keys)
        plan = load_plan(Path("s.yaml"))
        arrivals = list(workload_source(plan.scenario, 0).stream())
        return [one.session for one in arrivals], [one.content for one in arrivals]

    BURST = BURSTGPT + "0,7,m,10,5\n3,9,m,20,5\n4,7,m,30,5\n"
    SPANS = (
        SPAN.format(10**18, 10, "a")
        + SPAN.format(10**18 + 3 * 10**9, 20, "b")
        + SPAN.format(10**18 + 4 * 10**9, 30, "a")
    )

    @pytest.mark.parametrize("text", [BURST, SPANS])
    def test_tell_no_text_by_themselves(self, text: str) -> None:
        assert self.streams(text, "") == ([0, 1, 0], [None] * 3)

    @pytest.mark.parametrize("text", [BURST, SPANS])
    def test_tell_it_if_the_user_says_so(self, text: str) -> None:
        sessions, (first, other, second) = self.streams(text, ", prefixes: turns")
        assert sessions == [0, 1, 0]
        assert first == second[:1] == ((0, 10),)
        assert other == ((2, 20),)

    @pytest.mark.parametrize(
        ("router", "replicas"),
        [("least_outstanding", [0, 1, 0, 1]), ("session_sticky", [0, 1, 1, 0])],
    )
    def test_are_followed_by_routers(self, cosim: Cli, router: str, replicas: list[int]) -> None:
        """Four long requests that overlap."""
        rows = "0,7,m,10,900\n0.1,9,m,20,900\n0.2,9,m,20,900\n0.3,7,m,30,900\n"
        keys = f"gpu: h100-sxm-80gb\n      replicas: 2\n      router: {router}\n"
        scenario(BURSTGPT + rows, ("gpu: h100-sxm-80gb\n", keys))
        ran(cosim)
        log = pd.read_parquet("results/requests.parquet").sort_values("arrival_s")
        assert log["replica"].tolist() == replicas

    @pytest.mark.parametrize(
        ("text", "keys", "message"),
        [
            (BURST, "hash_ids", "trace.txt: has no hash ids for `prefixes: hash_ids`"),
            (
                BURST.replace("Session ID", "User"),
                "turns",
                "trace.txt: has neither sessions nor parents for `prefixes: turns`",
            ),
            (BURST, "ids", "prefixes: expected 'hash_ids', 'turns' or 'none' (got 'ids'"),
        ],
    )
    def test_refused(self, cosim: Cli, text: str, keys: str, message: str) -> None:
        scenario(text, keys=f", prefixes: {keys}")
        answer = cosim("validate", "s.yaml")
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
        assert message in answer.err


class TestSaid:
    def said(self, cosim: Cli) -> list[str]:
        answer = cosim("validate", "s.yaml")
        assert answer.code == 0, answer.err
        lines = [line.removeprefix("s.yaml: ") for line in answer.out.splitlines()[1:]]
        return [line for line in lines if "KV cache" not in line]

    def test_of_hash_ids(self, cosim: Cli) -> None:
        scenario(TALK, CACHED)
        assert self.said(cosim) == [
            "prompts share text by the hash ids of trace.txt",
            "1 request of trace.txt without hash ids: nothing of their prompts is shared",
            "the parents of 1 request are not in trace.txt, or were not served: their answers are "
            "not shared",
        ]

    def test_of_an_engine_without_a_cache(self, cosim: Cli) -> None:
        scenario(TALK.splitlines()[0], UNCACHED)
        assert self.said(cosim) == [
            "prompts share text by the hash ids of trace.txt, but prefix_caching is off: none is "
            "found again"
        ]

    def test_of_sessions(self, cosim: Cli) -> None:
        scenario(TestSessions.BURST)
        assert self.said(cosim) == [
            "trace.txt tells sessions, for routers, but not which text prompts share"
        ]
        scenario(TestSessions.BURST, CACHED, keys=", prefixes: turns")
        assert self.said(cosim) == [
            "each turn of trace.txt begins with prompt and answer of the turn before"
        ]

    @pytest.mark.parametrize("sort", ["", ", sort: true"])
    def test_of_requests_that_are_too_long(self, cosim: Cli, sort: str) -> None:
        """With the line of the first one; of the sorted file, the first that arrives."""
        rows = [(1, -1, 40, []), (2, -1, 9000, []), (3, -1, 41, []), (4, -1, 9000, [])]
        scenario("\n" + bailian(*rows), keys=sort)
        assert self.said(cosim)[-1] == (
            "2 requests of trace.txt longer than the 8,192 tokens that the engine takes: rejected "
            "(the first in line 3)"
        )

    LONG = bailian((1, -1, 40, []), (2, -1, 9000, []))
    TOO_LONG = (
        "1 request of trace.txt longer than the 8,192 tokens that the engine takes: rejected (the "
        "first in line 2)"
    )

    @pytest.mark.parametrize("cached", [CACHED, UNCACHED])
    def test_as_many_too_long_ones_as_a_run_rejects(
        self, cosim: Cli, cached: tuple[str, str]
    ) -> None:
        """One has the 8,192 tokens of the engine with its answer of 20, and the next one more."""
        rows = [(number, -1, prompt, []) for number, prompt in enumerate((8172, 8173, 8193, 40))]
        scenario(bailian(*rows), cached)
        note = self.TOO_LONG.replace("1 request", "2 requests")
        assert self.said(cosim)[-1] == note
        answer = cosim("run", "s.yaml", "-o", "results")
        assert f"Trace {note}" in " ".join(answer.out.split())
        (site,) = json.loads(Path("results", "summary.json").read_text())["sites"].values()
        assert site["requests"]["rejected"] == 2
        assert site["rejections"] == {"context_too_long": 2}

    def test_once_for_sites_that_share_a_trace(self, cosim: Cli) -> None:
        scenario(self.LONG, CACHED)
        share_with_another_site()
        notes = [
            "prompts share text by the hash ids of trace.txt",
            "2 requests of trace.txt without hash ids: nothing of their prompts is shared",
            self.TOO_LONG,
        ]
        assert self.said(cosim) == notes
        printed = " ".join(cosim("run", "s.yaml").out.split())
        assert [printed.count(f"Trace {note}") for note in notes] == [1, 1, 1]

    def test_with_the_site_where_it_is_of_one(self, cosim: Cli) -> None:
        """Of two sites, one caches nothing, and takes shorter requests."""
        scenario(self.LONG, CACHED)
        (key,) = [change for change in CACHED[1].splitlines() if "prefix_caching" in change]
        other = "      scheduler: {type: vllm_v1, prefix_caching: false, max_model_len: 4096}"
        share_with_another_site((key, other))
        assert self.said(cosim) == [
            "dc: prompts share text by the hash ids of trace.txt",
            "2 requests of trace.txt without hash ids: nothing of their prompts is shared",
            f"dc: {self.TOO_LONG}",
            "other: prompts share text by the hash ids of trace.txt, but prefix_caching is off: "
            "none is found again",
            f"other: {self.TOO_LONG.replace('8,192', '4,096')}",
        ]

    def test_by_a_run(self, cosim: Cli) -> None:
        """Of one whose engine caches; any other prints what it did."""
        scenario(TALK, CACHED)
        assert "prompts share text by the hash ids of trace.txt" in cosim("run", "s.yaml").out
        scenario(TALK, UNCACHED)
        assert "hash ids" not in cosim("run", "s.yaml").out

    def test_by_traces_show(self, cosim: Cli) -> None:
        write("trace.txt", TALK)
        text = " ".join(cosim("traces", "show", "trace.txt").out.split())
        assert "the parents of 1 request are not in the trace, or had failed" in text
        assert "nothing of 1 request without hash ids" in text
        assert "engines with prefix_caching find it; `prefixes: none` leaves it out" in text
        shown = json.loads(cosim("traces", "show", "trace.txt", "--json").out)
        assert (shown["without_hash_ids"], shown["without_parent"]) == (1, 1)
        write("trace.txt", TestSessions.BURST)
        text = " ".join(cosim("traces", "show", "trace.txt").out.split())
        assert "prompts share nothing, as lengths do not tell it, unless `prefixes: turns`" in text


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (bailian((1, -1, 16, [1]), (5, 5, 16, [2])), ":2: a cycle of turns"),
            (bailian((1, 2, 16, [1]), (2, -1, 16, [2])), ":2: '2' comes after '1' of line 1"),
            (bailian((1, -1, 16, [1]), (1, -1, 16, [2])), ":2: '1' is the name of the request of"),
            (bailian((1, -1, 16, [1]), (2, 1, 64, [1, 3])), ":2: column hash_ids has 2 ids, wh"),
            (bailian((1, -1, 32, [1, 1])), ":1: column hash_ids has an id twice"),
            (TALK.replace("[1, 2, 7]", "[1, 2, 7.5]"), ":3: column hash_ids is not a list of"),
            (TALK.replace("[1, 2, 7]", '[1, "2"]'), ":3: column hash_ids is not a list of"),
        ],
    )
    def test_one_message_with_file_and_row(self, cosim: Cli, text: str, message: str) -> None:
        scenario(text)
        for command in ("validate", "run"):
            answer = cosim(command, "s.yaml")
            assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
            assert f"trace.txt{message}" in answer.err

    def test_rows_that_are_left_out_are_counted(self, cosim: Cli) -> None:
        scenario(
            TALK + bailian((8, -1, 64, [1])).replace('"timestamp": 0.0', '"timestamp": 99.5'),
            keys=", skip: invalid",
        )
        assert "1 row of trace.txt left out as invalid" in cosim("validate", "s.yaml").out
