"""The demo: the flagship's scenario without controllers and with one, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosim.accounting.words import count, duration, exact_percent, latency, percent, plural
from cosim.authoring.shipped import shipped_scenario
from cosim.errors import CosimError
from cosim.studies.compare.compare import Comparison, compare_folders
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.compare.measures import EQUAL_WORK
from cosim.studies.frame.table import TextTable
from cosim.studies.runs.execute import execute
from cosim.studies.runs.processes import Processes
from cosim.world.plan import load_plan

SCENARIO = "flagship"
RUNS = {"without": ("controllers=[]",), "with": ()}
"""The runs by name, and their settings."""

_ROWS = {
    EQUAL_WORK: "carbon from the grid",
    "carbon_kg": "with the embodied carbon",
    "facility_energy_kwh": "energy used",
    "replicas_awake_mean": "replicas awake, mean",
    "requests_completed": "requests completed",
    "slo_attainment": "chat within its objectives",
    "ttft_p99_chat_s": "chat, first token p99",
    "tpot_p99_chat_s": "chat, time per token p99",
    "e2e_p50_batch_s": "batch, done in p50",
    "e2e_p99_batch_s": "batch, done in p99",
}


@dataclass(frozen=True, slots=True)
class _Job:
    """A run of the demo: its settings, and its result folder."""

    settings: Sequence[str]
    folder: Path


def run_demo(
    folder: Path, *, settings: Sequence[str] = (), workers: int | None = None
) -> Comparison:
    """Run the scenario twice, at once where there are two cores, and compare.

    Args:
        folder: Where the result folders go.
        settings: Settings of both runs, such as a shorter time.
        workers: Runs at once; None for as many as there are cores.

    Raises:
        CosimError: If a run fails, or cannot be written.
    """
    jobs = [_Job((*settings, *own), folder / name) for name, own in RUNS.items()]
    for failure in Processes(workers).outcomes(
        _run, jobs, lost=lambda job: f"the run to '{job.folder}' died", working_dir=Path.cwd()
    ):
        if failure:
            raise CosimError(failure)
    return compare_folders([job.folder for job in jobs])


def _run(job: _Job) -> str:
    """Make a run; return why it failed, or nothing."""
    result = execute(load_plan(shipped_scenario(SCENARIO), job.settings), job.folder)
    return "" if result.run.failure is None else str(result.run.failure)


def demo_table(comparison: Comparison) -> TextTable:
    """Return the few figures that a newcomer needs."""
    rows = {row.column: row for row in comparison.measures}
    lines = [
        [title, rows[column].text(0), rows[column].text(1), rows[column].difference(1, 0)]
        for column, title in _ROWS.items()
        if column in rows
    ]
    return TextTable(["", *comparison.names, ""], lines)


def sentences(comparison: Comparison) -> Iterator[str]:
    """Yield what was simulated, what the controller did, and what that was worth."""
    without, controlled = comparison.runs
    yield from _simulated(controlled)
    yield (
        "The controller clean_windows holds the batch requests back for the hours of most sun and "
        "the cleanest grid and serves them then in large batches on all replicas; for the chat "
        "alone as few replicas as it needs stay awake."
    )
    against = comparison.against(0)
    saving = against.savings[1]
    if saving is None:
        yield f"That is not a saving: {against.reasons[1]}."
        return
    yield (
        f"Both runs serve the same requests. {_held(controlled)}, and the grid emits "
        f"{percent(saving)} less. The price: {_price(without, controlled)}."
    )
    yield (
        "Most of the saving needs no signal of the grid: GPUs use less energy in large batches, "
        "and replicas that sleep use little. This is one stretch of time with one seed; cosim "
        "evaluate tells what is due to timing, against policies that are blind to the grid."
    )


def _simulated(run: ComparedRun) -> Iterator[str]:
    serving = run.serving
    if serving is None:
        return
    classes = serving.attribution.by_class
    shares = {name: totals.requests / serving.requests.arrived for name, totals in classes.items()}
    yield (
        f"Simulated: {count(serving.requests.arrived)} requests on "
        f"{plural(serving.gpu.count, 'GPU')} with solar panels in California, in "
        f"{duration(run.data.duration_s)} of April. "
        f"{percent(shares['chat'])} are a chat with objectives for its latency; the others are "
        "batch work that may wait for a day: the last comes a day before the end."
    )


def _held(run: ComparedRun) -> str:
    """Return how far the objectives are met."""
    met, late = run.figures.attainment or 0.0, run.figures.late
    word = "request is" if late == 1 else "requests are"
    text = f"{late:,} batch {word} late" if late else "no batch request is late"
    return f"With the controller {exact_percent(met)} of the chat meets its objectives, {text}"


def _price(without: ComparedRun, controlled: ComparedRun) -> str:
    before, after = (
        run.latencies["batch"]["e2e"].quantiles([0.5])[0] for run in (without, controlled)
    )
    return (
        f"half of the batch requests take more than {latency(after)}, where it was "
        f"{latency(before)}"
    )


def next_step(scenario: Path) -> str:
    """Return the command that evaluates a scenario that comes with the package.

    It copies the scenario first, unless the working directory is the checkout that has it.
    """
    near = Path("scenarios") / scenario.name
    if near.resolve() == scenario.resolve():
        return f"cosim evaluate {near} --seeds 1"
    copy = f"cosim scenarios copy {scenario.stem}"
    return f"{copy} && cosim evaluate {scenario.name} --seeds 1"
