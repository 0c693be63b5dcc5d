"""How much of its prompts the requests of a trace share, for those who plan with means."""

from __future__ import annotations

from collections.abc import Iterable

from inference_sim.workload.stream import Arrival


def shared_tokens(arrivals: Iterable[Arrival]) -> float:
    """Return the mean part of a prompt that prompts and answers before it hold [tokens].

    So much would a cache find from which nothing is lost, if every answer came at once. It is 0
    without arrivals.

    Args:
        arrivals: Requests, in the order in which they come.
    """
    nodes: dict[tuple[int, int, int], int] = {}  # by the node above, the tokens before, the stream
    lengths: list[int] = []  # of each node [tokens]
    found = requests = 0
    for arrival in arrivals:
        requests += 1
        if arrival.content is None:
            continue
        above, before, known = -1, 0, True
        for stream, tokens in (
            *arrival.content,
            (arrival.answer_stream, arrival.output_tokens),
        ):
            key = (above, before, stream)
            node = nodes.get(key)
            if node is None:
                node = nodes[key] = len(lengths)
                lengths.append(0)
            if known:
                there = min(tokens, lengths[node], arrival.prompt_tokens - before)
                found += there
                known = there == tokens
            lengths[node] = max(lengths[node], tokens)
            above, before = node, before + tokens
    return found / requests if requests else 0.0
