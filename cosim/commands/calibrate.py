"""``cosim calibrate``: fits to measurements, and recording them. Imports stand in the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from inference_sim.execution import EngineProfile
    from inference_sim.hardware import GpuSpec

app = typer.Typer(
    help="Fit power and latency to measurements of your own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_File = Annotated[Path, typer.Argument(help="Measurements (CSV).", show_default=False)]
_Gpu = Annotated[
    str,
    typer.Option(
        "--gpu", help="GPU that was measured: its name, or a GPU file.", show_default=False
    ),
]
_Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Model of all rows; with a column 'model', one whose rows count. Repeatable.",
        show_default=False,
    ),
]
_Engine = Annotated[
    str | None,
    typer.Option(help="Engine profile, or an engine file [default: the newest vLLM's on the GPU]."),
]
_Scheduler = Annotated[
    Literal["vllm_v1", "vllm"],
    typer.Option(help="vllm_v1: prompts beside decodes. vllm: prompts in iterations of their own."),
]
_Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="File to write [default: print it].", metavar="FILE"),
]


@app.command()
def power(
    file: _File,
    gpu: _Gpu,
    model: _Models = None,
    engine: _Engine = None,
    scheduler: _Scheduler = "vllm_v1",
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Coefficient that is not fitted (base_w, compute_w, memory_w, sampling_w): the "
            "GPU's, or W. Repeatable.",
            metavar="NAME[=W]",
        ),
    ] = None,
    idle_w: Annotated[
        float | None, typer.Option(help="Measured power with a model loaded and no request [W].")
    ] = None,
    max_w: Annotated[
        float | None, typer.Option(help="Power limit of the board [W] [default: the GPU's].")
    ] = None,
    out: _Out = None,
) -> None:
    """Fit the power of a GPU, and write a GPU file that scenarios can name.

    A row is a steady state: power_w of one GPU [W], and either mfu and bandwidth_utilisation
    [fractions], or model, batch, context_tokens (or prompt_tokens and output_tokens) and
    tokens_per_s (or itl_s) of a replica.
    """
    from dataclasses import replace

    from cosim.calibrate.output import gpu_file
    from cosim.calibrate.power import NAMES, fit_power
    from cosim.calibrate.report import power_report
    from cosim.errors import Problem, ScenarioError, did_you_mean

    problems: list[str] = []
    for option, value in (("--idle-w", idle_w), ("--max-w", max_w)):
        if value is not None and not 0 < value < 1e5:
            problems.append(f"{option}: expected a power above 0 in W (got {value:g})")
    spec, profile = _deployment(gpu, engine, problems)
    if max_w is not None:
        spec = replace(spec, max_w=max_w)
    kept = {}
    for option in keep or []:
        name, equals, watts = option.partition("=")
        if name not in NAMES:
            hint = did_you_mean(name, NAMES)
            problems.append(f"expected one of {', '.join(NAMES)} (got '{name}'{hint})")
        elif equals and not watts.replace(".", "", 1).isdecimal():
            problems.append(f"expected a power in W, such as {name}=90 (got '{option}')")
        else:
            kept[name] = float(watts) if equals else getattr(spec.two_resource, name)
    if len(kept) == len(NAMES):
        problems.append("nothing is left to fit")
    if problems:
        raise ScenarioError([Problem(f"--keep: {problem}") for problem in problems])
    if idle_w is not None and idle_w >= spec.max_w:
        raise ScenarioError(f"--idle-w: expected less than {spec.max_w:g} W (got {idle_w:g})")
    fit = fit_power(
        file, spec, profile, models=model or (), mixed=scheduler == "vllm_v1", keep=kept
    )
    print(power_report(fit, spec.name))
    _leave(out, gpu_file(fit, gpu, spec, idle_w), "gpu: ./{}")


@app.command()
def latency(
    file: _File,
    gpu: _Gpu,
    model: _Models = None,
    engine: _Engine = None,
    scheduler: _Scheduler = "vllm_v1",
    terms: Annotated[
        list[str] | None,
        typer.Option(
            "--fit",
            help="Term to fit: sampling, serial, host or time_factor. Repeatable [default: those "
            "of the engine profile: serial or else sampling, and host].",
            metavar="TERM",
        ),
    ] = None,
    out: _Out = None,
) -> None:
    """Fit the time that an engine adds to the GPU's, and write an engine file for scenarios.

    A row is a steady state of one replica: model, tensor_parallel, batch, context_tokens (or
    prompt_tokens and output_tokens), and tokens_per_s or itl_s.
    """
    from cosim.calibrate.latency import FACTOR, TERMS, default_terms, fit_latency
    from cosim.calibrate.output import engine_file
    from cosim.calibrate.report import latency_report
    from cosim.errors import did_you_mean

    known = (*TERMS, FACTOR)
    problems = [
        f"--fit: expected one of {', '.join(known)} (got '{term}'{did_you_mean(term, known)})"
        for term in terms or []
        if term not in known
    ]
    if {"sampling", "serial"} <= {*(terms or [])}:
        problems.append(
            "--fit: latency does not separate sampling of a sequence (the GPU is busy) from serial "
            "time for it (the GPU waits); choose one"
        )
    spec, profile = _deployment(gpu, engine, problems)
    fit = fit_latency(
        file,
        spec,
        profile,
        terms or default_terms(profile),
        models=model or (),
        mixed=scheduler == "vllm_v1",
    )
    print(latency_report(fit, spec.name, profile.name))
    name = engine or profile.name
    _leave(
        out,
        engine_file(fit, name, spec),
        "execution: {{type: roofline, engine: ./{}}}",
    )


@app.command()
def record(
    seconds: Annotated[float, typer.Option(help="How long to record [s].")] = 60.0,
    interval: Annotated[float, typer.Option(help="Time between two samples [s].")] = 1.0,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File to write (CSV).", metavar="FILE")
    ] = Path("telemetry.csv"),
) -> None:
    """Sample power, clocks, utilisation, temperature and memory of this machine's NVIDIA GPUs.

    Needs a driver and the extra: pip install 'carbon-cosim[nvml]'. Ctrl-C ends it early and keeps
    the samples in FILE.partial.
    """
    from cosim.calibrate.record import record_gpus

    if not record_gpus(out, seconds=seconds, interval_s=interval):
        raise typer.Exit(130)


def _deployment(gpu: str, engine: str | None, problems: list[str]) -> tuple[GpuSpec, EngineProfile]:
    """Return the GPU and the engine profile.

    Raises:
        ScenarioError: If there are problems, or these add one.
    """
    from cosim.errors import Problem, ScenarioError
    from inference_sim.errors import InferenceSimError
    from inference_sim.execution import find_engine
    from inference_sim.hardware import find_gpu

    spec = profile = None
    try:
        spec = find_gpu(gpu)
    except InferenceSimError as error:
        problems.append(f"--gpu: {error}")
    try:
        name = engine or (spec.default_engine if spec is not None else None)
        if name is not None:
            profile = find_engine(name)
    except InferenceSimError as error:
        problems.append(f"--engine: {error}")
    if problems or spec is None or profile is None:
        raise ScenarioError([Problem(problem) for problem in problems])
    return spec, profile


def _leave(out: Path | None, text: str, use: str) -> None:
    """Write the file that was made, or print it."""
    from cosim.calibrate.output import write_text

    if out is None:
        print(f"\n{text}", end="")
        return
    write_text(out, text)
    print(f"\nWritten to {out}; a scenario beside it names it with {use.format(out.name)}")
