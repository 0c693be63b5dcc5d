"""``cosim kernels``: tables of kernel times. Imports stand in the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from inference_sim.execution.kernel_table import KernelTable, TableModel

app = typer.Typer(
    help="Build tables of kernel times, for execution: {type: kernels}.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _kernels() -> None:
    """Keep `build` a command of its own, though it is the only one."""


@app.command()
def build(
    model: Annotated[
        str,
        typer.Option(help="Its Hugging Face name, or the path of a config.json.", metavar="MODEL"),
    ],
    gpu: Annotated[str, typer.Option(help="Name of the GPU.", show_default=False)],
    engine: Annotated[
        Literal["sglang", "vllm", "trtllm"],
        typer.Option(help="Engine whose kernels they are.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write (JSON).", metavar="FILE")],
    tensor_parallel: Annotated[
        int, typer.Option("--tp", min=1, help="GPUs that share each layer.")
    ] = 1,
    expert_parallel: Annotated[
        int, typer.Option("--ep", min=1, help="Groups of these that hold different experts.")
    ] = 1,
    precision: Annotated[
        str | None,
        typer.Option(help="Precision of the weights [default: the model's own]."),
    ] = None,
    kv_cache_dtype: Annotated[
        Literal["auto", "fp8"], typer.Option(help="fp8, or as the model has it.")
    ] = "auto",
) -> None:
    """Ask NVIDIA's kernel measurements once, and write a table for one model, GPU and width.

    Needs the extra: pip install 'carbon-cosim[kernels]'. Runs read the table alone.
    """
    from cosim.calibrate.kernels.build import build_table
    from cosim.calibrate.kernels.package import Subject
    from cosim.calibrate.output import write_text
    from cosim.errors import ScenarioError
    from inference_sim.errors import InferenceSimError

    try:
        shape = _model(model, gpu, tensor_parallel, expert_parallel, precision, kv_cache_dtype)
    except InferenceSimError as error:
        raise ScenarioError(str(error)) from None
    table = build_table(Subject(shape, gpu, engine, tensor_parallel, expert_parallel))
    write_text(out, table.to_json())
    print(_shown(table))
    use = f"execution: {{type: kernels, table: ./{out.name}}}"
    print(f"\nWritten to {out}; a scenario beside it names it with {use}")


def _model(
    name: str, gpu: str, width: int, groups: int, precision: str | None, kv_cache_dtype: str
) -> TableModel:
    """Return the model, if the GPU has kernels for it and it can be split that way.

    Raises:
        InferenceSimError: If not.
    """
    from dataclasses import replace

    from inference_sim.execution.kernel_table import TableModel
    from inference_sim.execution.shapes import check_precisions, check_split
    from inference_sim.hardware import find_gpu
    from inference_sim.models import find_model

    model = find_model(name, precision)
    if kv_cache_dtype == "fp8":
        model = replace(model, kv_bytes_per_value=1.0)
    check_split(model, width, groups)
    check_precisions(model, find_gpu(gpu))
    return TableModel.of(model)


def _shown(table: KernelTable) -> str:
    """Return the extent of a table in words."""
    decode = table.decode_attention
    longest = ", ".join(
        f"{most:,} at a batch of {batch:,}"
        for batch, most in zip(decode.batch, decode.most_context, strict=True)
        if batch in (decode.batch[0], 32, 256, decode.batch[-1])
    )
    lines = [
        f"{table.model.name} on {table.tensor_parallel} x {table.gpu}",
        f"source                  {table.sources}",
        f"tokens of an iteration  up to {table.layers.most:,}",
        f"prompts                 up to {table.most_prompt_tokens:,} tokens",
        f"contexts of decodes     up to {longest}",
        f"line in the context     within {100 * decode.worst_error:.1f} % of a decode's kernels",
        "left out                host, sampler and front end of the engine",
        *(f"extrapolated            {part}" for part in table.extrapolated),
        *(f"note                    {note}" for note in table.notes),
    ]
    return "\n".join(lines)
