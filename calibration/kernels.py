"""Fits of the kernel coefficients of GPUs, in each precision, on NVIDIA's tables of single kernels.

Usage: ``python -m calibration.kernels --tables WHEEL [--steps DECODE.csv PREFILL.csv] [--write]``
with the wheel that :mod:`calibration.kernel_tables` describes, and the tables of whole steps of
:mod:`calibration.steps`. It prints the numbers for ``gpus.yaml`` and ``nodes.yaml``, then the
errors of each half of the shapes by a fit on the other half, for ``docs/validation.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration import kernel_forms, steps
from calibration.kernel_forms import Form
from calibration.kernel_tables import (
    EXPERTS,
    KEPT,
    PRODUCTS,
    SYSTEMS,
    WIDTHS,
    KernelTables,
    Rows,
)
from calibration.page import bias, mape, table, write_section
from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError
from inference_sim.hardware import find_gpu

TARGETS = {  # MAPE of shapes outside the fit, at most [%]
    "products bf16": 10.0,
    "products fp8": 20.0,
    "products fp8_block": 20.0,
    "products nvfp4": 20.0,
    "decode attention": 16.0,
    "experts": 25.0,
    "all-reduce": 25.0,
}
L40S_PRODUCTS_BF16 = 17.0
MISSED = {
    ("a100-sxm-80gb", "decode attention"),
    ("b200-sxm-180gb", "products bf16"),
    ("l40s", "decode attention"),
}
"""Fits that do not reach their target."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A form, its numbers for a GPU and the errors that remain, as fractions.

    Attributes:
        family: Kernels, with their precision or their number of GPUs.
        values: Numbers of the fit on all rows.
        held_out: Errors of each half of the shapes by a fit on the other half, shape (rows,).
    """

    gpu: str
    family: str
    form: Form
    rows: Rows
    values: FloatArray
    held_out: FloatArray

    @property
    def target(self) -> float:
        """Highest MAPE outside of the fit [%]."""
        if (self.gpu, self.family) == ("l40s", "products bf16"):
            return L40S_PRODUCTS_BF16
        return next(value for name, value in TARGETS.items() if self.family.startswith(name))

    @property
    def worst(self) -> str:
        """The row with the largest error, in words."""
        index = int(np.argmax(np.abs(self.held_out)))
        cells = ", ".join(f"{name} {v[index]:.0f}" for name, v in self.rows.columns.items())
        return f"{100 * self.held_out[index]:+.0f} ({cells})"


def fits(tables: KernelTables, gpu: str) -> Iterator[Fit]:
    """Yield the fits of a GPU: products, decode attention, experts, all-reduces."""
    spec = find_gpu(gpu)
    for precision, (_, engines) in PRODUCTS.items():
        if gpu in engines:
            form = kernel_forms.products(spec, precision)
            yield _fit(gpu, f"products {precision}", form, tables.products(gpu, precision))
    yield _fit(gpu, "decode attention", kernel_forms.decodes(spec), tables.decodes(gpu))
    for precision, (_, engines, _) in EXPERTS.items():
        if gpu in engines and not (gpu == KEPT[0] and precision.startswith(KEPT[1])):
            form = kernel_forms.experts(spec, precision)
            yield _fit(gpu, f"experts {precision}", form, tables.experts(gpu, precision))
    for width in WIDTHS:
        form = kernel_forms.reduces()
        yield _fit(gpu, f"all-reduce {width} GPUs", form, tables.reduces(gpu, width))


def _fit(gpu: str, family: str, form: Form, rows: Rows) -> Fit:
    return Fit(gpu, family, form, rows, form.fit(rows), form.held_out(rows))


def coefficients(found: Sequence[Fit]) -> str:
    """Return the fitted numbers, ready for the data files."""
    lines = []
    for fit in found:
        numbers = fit.form.named(fit.values)
        pairs = ", ".join(f"{name}: {value:g}" for name, value in numbers.items())
        lines.append(f"{fit.gpu}: {fit.family}: {{{pairs}}}")
    return "\n".join(lines)


def errors_table(found: Sequence[Fit]) -> str:
    """Return the errors outside of the fits, by GPU and family."""
    rows = [
        [
            fit.gpu,
            fit.family,
            len(fit.rows),
            fit.rows.shapes,
            mape(fit.held_out),
            fit.target,
            bias(fit.held_out),
            mape(fit.form.errors(fit.values, fit.rows)),
            fit.worst,
        ]
        for fit in found
    ]
    header = (
        "GPU", "kernels", "rows", "shapes", "held out MAPE %", "at most", "bias %", "in the fit %",
        "worst %",
    )  # fmt: skip
    return table(header, rows)


def l2_table(tables: KernelTables, found: Sequence[Fit]) -> str:
    """Return the errors of decode attention where the L2 cache holds the KV cache, too."""
    rows = []
    for fit in found:
        if fit.family == "decode attention":
            all_rows = tables.decodes(fit.gpu, beside_l2=False)
            errors = fit.form.errors(fit.values, all_rows)
            rows.append([fit.gpu, len(all_rows), mape(errors), bias(errors)])
    return table(("decode attention, L2 included", "rows", "MAPE %", "bias %"), rows)


def report(wheel: Path, decode: Path | None = None, prefill: Path | None = None) -> str:
    """Return the tables of the page.

    Raises:
        InferenceSimError: If the wheel cannot be read.
    """
    tables = KernelTables(wheel)
    found = [fit for gpu in SYSTEMS for fit in fits(tables, gpu)]
    parts = ["### Single kernels", errors_table(found), l2_table(tables, found)]
    if decode and prefill:
        parts += ["### Whole steps of Llama-3.1-8B", steps.report(decode, prefill)]
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print coefficients and errors; with ``--write``, put the errors on the page."""
    parser = argparse.ArgumentParser(prog="python -m calibration.kernels")
    parser.add_argument("--tables", type=Path, required=True, metavar="WHEEL")
    parser.add_argument("--steps", type=Path, nargs=2, metavar=("DECODE.csv", "PREFILL.csv"))
    parser.add_argument("--write", action="store_true", help="put the errors on the page")
    options = parser.parse_args(arguments)
    try:
        tables = KernelTables(options.tables)
        print("# for inference_sim/hardware/gpus.yaml and nodes.yaml")
        for gpu in SYSTEMS:
            print(coefficients(list(fits(tables, gpu))))
        if options.steps:
            decode, prefill = options.steps
            for system, name in steps.GPUS.items():
                kernels = steps.fit(find_gpu(name), *steps.read(decode, prefill, system))
                print(
                    f"{name}: t0e_us: {kernels.t0e_us:g}, e_el: {kernels.e_el:g}, "
                    f"e_prefill: {kernels.e_prefill:g}"
                )
        text = report(options.tables, *(options.steps or ()))
    except InferenceSimError as error:
        print(error, file=sys.stderr)
        return 2
    print(text)
    if options.write:
        write_section("kernels", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
