"""Catalogues to choose from: models, GPUs, schedulers, routers, controllers and scenarios."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from cosim.commands.printing.docstrings import fitted
from cosim.errors import ScenarioError


def print_models() -> None:
    """Print the catalogue of models."""
    from inference_sim.models import find_model, model_names

    table = Table(
        Column("model", no_wrap=True),
        *(Column(title, justify="right") for title in ("parameters", "active")),
        "precision",
        *(Column(title, justify="right") for title in ("weights GiB", "KV KiB/token", "context")),
        box=None,
    )
    for name in model_names():
        model = find_model(name)
        kv_bytes = model.attention_layers * model.kv_bytes_per_token_per_layer()
        table.add_row(
            name,
            f"{model.parameters / 1e9:,.1f} B",
            f"{model.active_parameters / 1e9:.1f} B" if model.experts else "",
            model.precision,
            f"{model.weight_bytes / 2**30:,.1f}",
            f"{kv_bytes / 2**10:,.1f}",
            f"{model.max_context_tokens:,}",
        )
    _print_whole(
        table,
        "precision: of most weights. KV: of the whole model. A model that is not here is the path "
        "of its config.json.",
    )


def print_gpus() -> None:
    """Print the catalogue of GPUs."""
    from inference_sim.hardware import find_gpu, gpu_names

    table = Table(
        Column("gpu", no_wrap=True),
        *(Column(title, justify="right") for title in ("GiB", "bf16 TFLOP/s", "TB/s")),
        "own precisions",
        *(Column(title, justify="right") for title in ("idle W", "caps W", "clocks MHz")),
        "tensor parallel",
        "measured",
        box=None,
    )
    for name in gpu_names():
        gpu = find_gpu(name)
        clocks = gpu.clocks_mhz
        table.add_row(
            name,
            f"{gpu.memory_gib:g}",
            f"{gpu.peak_tflops:,g}",
            f"{gpu.memory_bandwidth_tb_per_s:g}",
            ", ".join(name for name in gpu.precision_speed if name != "fp8_block") or "-",
            f"{gpu.loaded_idle_w:g}",
            f"{gpu.least_cap_w or gpu.loaded_idle_w:g}-{gpu.max_w:g}",
            f"{clocks.lowest:g}-{clocks.highest:g}" if clocks else "?",
            ", ".join(map(str, [1, *gpu.all_reduce])),
            gpu.calibrated,
        )
    _print_whole(
        table,
        "own precisions: beside bf16; weights in others are computed in bf16. measured: the "
        "coefficients that were fitted on that GPU; the others are those of its nearest kin "
        "(`sources` in inference_sim/hardware/gpus.yaml), and runs report them as uncalibrated.",
    )


def _print_whole(table: Table, note: str) -> None:
    """Print a table in its own width, however narrow the terminal is, and a note."""
    console = Console(highlight=False)
    width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    Console(highlight=False, width=max(width, console.width)).print(table)
    console.print(f"\n{note}")


def print_schedulers() -> None:
    """Print the schedulers that come with the simulator, and those that packages offer.

    Raises:
        ScenarioError: If one of these cannot be imported.
    """
    from inference_sim.plugins import installed
    from inference_sim.scheduling import SCHEDULERS, find_scheduler

    names = (*SCHEDULERS, *installed("scheduler"))
    _print_described("scheduler", names, lambda name: find_scheduler(name).rules)


def print_routers() -> None:
    """Print the routers that come with the simulator, and those that packages offer.

    Raises:
        ScenarioError: If one of these cannot be imported.
    """
    from inference_sim.plugins import installed
    from inference_sim.routing import ROUTERS, find_router

    names = (*ROUTERS, *installed("router"))
    _print_described("router", names, lambda name: _first_line(find_router(name)))


def print_controllers() -> None:
    """Print the controllers that come with the package, and those that others offer.

    Raises:
        ScenarioError: If one of these cannot be imported.
    """
    from controllers import BUILTIN, installed, resolve

    names = (*BUILTIN, *installed())
    _print_described("controller", names, lambda name: _first_line(resolve(name, Path())))


def print_scenarios() -> None:
    """Print the scenarios and studies that come with the package, a line each."""
    from cosim.authoring.shipped import first_sentence, shipped_scenarios

    scenarios = shipped_scenarios()
    console = Console(highlight=False)
    room = console.width - max(map(len, scenarios)) - 5  # columns are a blank apart from all else
    table = Table("scenario", "subject", box=None)
    for name, path in scenarios.items():
        table.add_row(name, Text(textwrap.shorten(first_sentence(path), room, placeholder=" …")))
    console.print(table)
    console.print("\ncosim scenarios copy NAME [DIR] copies one, with the files that it reads.")


def _print_described(kind: str, names: Iterable[str], describe: Callable[[str], str]) -> None:
    table = Table(kind, "description", box=None)
    try:
        for name in dict.fromkeys(names):
            table.add_row(name, describe(name))
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    Console(highlight=False).print(table)


def _first_line(part: object) -> str:
    return (part.__doc__ or "").strip().split("\n")[0]


def print_controller(name: str) -> None:
    """Print the description and the parameters of a controller.

    Raises:
        ScenarioError: If there is no such controller.
    """
    import inspect

    from controllers import resolve
    from cosim.scenario.controllers import parameters_model

    try:
        controller = resolve(name, Path.cwd())
        model = parameters_model(name, controller)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    module = inspect.getmodule(controller)
    text = "\n\n".join(filter(None, (inspect.getdoc(controller), inspect.getdoc(module))))
    console = Console(highlight=False, markup=False)
    console.print(fitted(text, console.width), soft_wrap=True)
    table = Table("parameter", "default", "meaning", box=None)
    for key, info in model.model_fields.items():
        if key == "type":
            continue
        default = "required" if info.is_required() else str(info.default)
        meaning = info.description or ""
        table.add_row(Text(key), Text(default), Text(textwrap.shorten(meaning, 200)))
    console.print(table)
