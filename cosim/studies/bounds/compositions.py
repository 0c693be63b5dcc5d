"""Compositions of iterations on which prices are found: a grid, and draws at random.

Energy and time grow with every amount of work, and between the steps of the kernels' tiles they
are nearly straight. So the compositions that hold a price down stand at the ends of the ranges and
at whole tiles: the grid has those. Draws near the ones that bind, and anywhere, check the prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cosim.studies.bounds.machine import Composition, Machine
from inference_sim.arrays import FloatArray

_TILE = 256  # tokens; a multiple of the tiles of all GPUs and kernels
_RATIO = 1.7  # of neighbours in the grid


def grid(machine: Machine) -> list[Composition]:
    """Return the compositions of the grid, without any twice."""
    return list(dict.fromkeys(_grid(machine)))


def _grid(machine: Machine) -> Iterator[Composition]:
    tokens = [0, *_ladder(1, machine.budget)]
    for steps in [0, *_steps(machine)]:
        for wanted in tokens:
            if wanted and steps and not machine.mixes:
                continue
            full = machine.budget - steps * machine.step_tokens
            tiled = -(-wanted // _TILE) * _TILE - steps * max(machine.step_tokens, 1)
            for total in {wanted, tiled, full if wanted else 0}:
                for chunks, done in _prompts(machine, total, steps):
                    held = sum(new + before for new, before in chunks)
                    for context in _contexts(machine, steps, held):
                        if chunks or steps:
                            yield Composition(chunks, done, steps, context)


def _steps(machine: Machine) -> list[int]:
    """Return numbers of sequences that decode: a ladder, and with drafts those of whole tiles."""
    steps = set(_ladder(1, machine.sequences))
    if machine.speculative is not None:
        tiles = range(1, machine.sequences * machine.step_tokens // _TILE + 1)
        steps |= {tile * _TILE // machine.step_tokens for tile in tiles}
    return sorted(steps)


def _ladder(first: int, last: int) -> list[int]:
    """Return whole numbers from first to last, in about even ratios."""
    count = max(2, 1 + int(np.ceil(np.log(max(last / first, 1)) / np.log(_RATIO))))
    return sorted({round(value) for value in np.geomspace(first, last, count)})


def _prompts(
    machine: Machine, tokens: int, steps: int
) -> Iterator[tuple[tuple[tuple[int, int], ...], int]]:
    """Yield chunks of so many tokens together, and how many of them end."""
    if tokens == 0:
        yield (), 0
        return
    if not 0 < tokens <= machine.budget - steps * machine.step_tokens:
        return
    least, most = _counts(machine, tokens, steps)
    if least > most:
        return
    for count in {least, most}:
        even = [(part, 0) for part in _even(tokens, count)]
        splits = [tuple(even)]
        if count > 1:  # the first as long as it may be, the others short
            first = min(machine.longest, tokens - count + 1)
            rest = _even(tokens - first, count - 1)
            splits.append(((first, 0), *((part, 0) for part in rest)))
        longest_before = machine.longest - splits[0][0][0]
        if longest_before > 0 and machine.cuts != "never":  # the first was begun earlier
            splits.append(((splits[0][0][0], longest_before), *splits[0][1:]))
        for chunks in splits:
            yield chunks, count
            if may_cut(machine, tokens, steps):
                yield chunks, count - 1


def _even(tokens: int, count: int) -> list[int]:
    """Return `count` whole numbers, as even as can be, of the sum `tokens`."""
    each, over = divmod(tokens, count)
    return [each + 1] * over + [each] * (count - over)


def _counts(machine: Machine, tokens: int, steps: int) -> tuple[int, int]:
    """Return the fewest and the most prompts that so many tokens are of, beside decodes.

    All but the first, which may have been begun, and one that may be cut, are whole.
    """
    rest = {"never": 0, "at budget": 1 + may_cut(machine, tokens, steps), "anywhere": 2}
    whole = tokens // machine.shortest
    most = min(max(machine.sequences - steps, 1), rest[machine.cuts] + whole, tokens)
    return -(-tokens // machine.longest), most


def may_cut(machine: Machine, tokens: int, steps: int) -> bool:
    """Return whether a prompt may be cut in an iteration of so many tokens beside decodes."""
    if machine.cuts == "at budget":
        return tokens + steps * machine.step_tokens == machine.budget
    return machine.cuts == "anywhere"


def _contexts(machine: Machine, steps: int, held: int) -> Sequence[int]:
    """Return contexts of the sequences that decode, from the least to the most."""
    if steps == 0:
        return (0,)
    least, most = context_range(machine, steps, held)
    if least > most:
        return ()
    return sorted({least, most})


def context_range(machine: Machine, steps: int, held: int) -> tuple[int, int]:
    """Return the least and the most tokens that decoding sequences hold beside `held` others."""
    least = steps * min(machine.shortest + 1, machine.longest)
    return least, min(steps * machine.longest, machine.room + steps - held)


def draw(machine: Machine, count: int, rng: np.random.Generator) -> list[Composition]:
    """Return compositions drawn at random, about `count`."""
    drawn: list[Composition] = []
    for _ in range(count):
        steps = _log_draw(rng, 0, machine.sequences)
        tokens = _log_draw(rng, 0, machine.budget - steps * machine.step_tokens)
        if tokens and steps and not machine.mixes:
            steps, tokens = (0, tokens) if rng.random() < 0.5 else (steps, 0)
        drawn += _fill(machine, steps, tokens, rng)
    return drawn


def near(
    machine: Machine, compositions: Sequence[Composition], each: int, rng: np.random.Generator
) -> list[Composition]:
    """Return compositions at random whose amounts are near those of others."""
    drawn: list[Composition] = []
    for steps, tokens in {
        (composition.steps, sum(new for new, _ in composition.chunks))
        for composition in compositions
    }:
        for _ in range(each):
            moved = round(steps * rng.uniform(0.8, 1.25)) + int(rng.integers(-1, 2))
            beside = min(max(moved, min(steps, 1)), machine.sequences)
            wanted = round(tokens * rng.uniform(0.8, 1.25))
            if rng.random() < 0.5:
                wanted = -(-wanted // _TILE) * _TILE - beside * max(machine.step_tokens, 1)
            most = machine.budget - beside * machine.step_tokens
            drawn += _fill(machine, beside, min(max(wanted, min(tokens, 1)), most), rng)
    return drawn


def _fill(machine: Machine, steps: int, tokens: int, rng: np.random.Generator) -> list[Composition]:
    """Return a composition of so many steps and prompt tokens, or none where there is none."""
    chunks: tuple[tuple[int, int], ...] = ()
    done = 0
    if tokens > 0:
        least, most = _counts(machine, tokens, steps)
        if least > most:
            return []
        count = int(rng.integers(least, most + 1)) if rng.random() < 0.5 else most
        parts = rng.multinomial(tokens - count, rng.dirichlet(np.full(count, 3.0))) + 1
        if parts.max() > machine.longest:
            parts = np.array(_even(tokens, count))
        room = machine.longest - int(parts[0])
        begun = machine.cuts != "never" and rng.random() < 0.3
        before = int(rng.integers(0, room + 1)) if begun else 0
        chunks = ((int(parts[0]), before), *((int(part), 0) for part in parts[1:]))
        done = count - int(may_cut(machine, tokens, steps) and rng.random() < 0.3)
    context = 0
    if steps:
        held = sum(new + before for new, before in chunks)
        low, high = context_range(machine, steps, held)
        if low > high:
            return []
        context = round(float(rng.choice([low, high, rng.uniform(low, high)])))
    return [Composition(chunks, done, steps, context)] if chunks or steps else []


def _log_draw(rng: np.random.Generator, low: int, high: int) -> int:
    """Return a whole number, even in its logarithm; the ends come often."""
    if rng.random() < 0.2:
        return int(rng.choice([low, max(low, high)]))
    return int(min(high, np.exp(rng.uniform(np.log(low + 1), np.log(max(high, low) + 2))) - 1))


def amounts(compositions: Sequence[Composition]) -> FloatArray:
    """Return the amounts of work in compositions, shape (n, kinds)."""
    return np.array([composition.amounts() for composition in compositions], dtype=np.float64)
