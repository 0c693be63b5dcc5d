"""Scenario keys of the power of a cluster: its GPUs, and the facility around them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from cosim.scenario.fields import Fraction, InputFile, NonNegative, StrictModel
from cosim.scenario.signals import Temperature
from inference_sim.hardware import GpuSpec
from inference_sim.power import MfuPowerLaw, PowerModel, PowerTable, TwoResource
from inference_sim.power.pue import LinearPue, LoadPue, Pue, TemperaturePue
from inference_sim.power.table import read_table


class _Gpu(StrictModel):
    idle_w: NonNegative | None = None
    """Power of a GPU with weights resident and nothing to do [W]; the GPU's own by default."""
    sleep_w: NonNegative | None = None
    """Power of a GPU that sleeps [W]; by default that of the GPU with nothing loaded."""
    clock_exponent: Annotated[float, Field(ge=1, le=3)] | None = None
    """Dynamic power goes with the clock to this power; 2.4 by default, 3 where voltage follows."""

    def _changed(self, model: PowerModel) -> PowerModel:
        """Return the model with the values of the scenario."""
        idle_w = model.idle_w if self.idle_w is None else self.idle_w
        sleep_w = min(model.sleep_w, idle_w) if self.sleep_w is None else self.sleep_w
        exponent = model.clock_exponent if self.clock_exponent is None else self.clock_exponent
        return replace(model, idle_w=idle_w, sleep_w=sleep_w, clock_exponent=exponent)


class TwoResourcePower(_Gpu):
    """Power of computing, memory and sampling over a base, fitted per GPU."""

    type: Literal["two_resource"] = "two_resource"
    """Compute and memory draw separately."""
    memory_w: NonNegative | None = None
    """Power of the memory of a GPU at its peak bandwidth, over the base [W]; the GPU's own by
    default."""

    def model(self, gpu: GpuSpec) -> PowerModel:
        """Return the power model of a GPU."""
        return self._changed(TwoResource.of(gpu, self.memory_w))


class MfuPowerLawPower(_Gpu):
    """Eq. 1 of the paper: power by the MFU alone."""

    type: Literal["mfu_power_law"]
    """Eq. 1 of the paper."""

    def model(self, gpu: GpuSpec) -> PowerModel:
        """Return the power model of a GPU.

        Raises:
            InferenceSimError: If the paper gives no numbers for it.
        """
        return self._changed(MfuPowerLaw.of(gpu))


class TablePower(_Gpu):
    """Power against batch, as measured."""

    type: Literal["table"]
    """Read from a file."""
    path: InputFile
    """CSV file with columns `batch` (sequences, rising) and `power_w` (of one GPU); linear between
    its rows, constant beyond them."""

    @field_validator("path")
    @classmethod
    def _readable(cls, value: InputFile) -> InputFile:
        read_table(value)
        return value

    def model(self, gpu: GpuSpec) -> PowerModel:
        """Return the power model of a GPU."""
        return self._changed(PowerTable.of(gpu, self.path))


Power = Annotated[TwoResourcePower | MfuPowerLawPower | TablePower, Field(discriminator="type")]
"""Power model of a GPU."""


Multiple = Annotated[float, Field(ge=1)]


class LoadPueKeys(StrictModel):
    """PUE by IT load: a fixed and a proportional overhead, or a table."""

    type: Literal["load"]
    """By IT load."""
    fixed_w: NonNegative | None = None
    """Overhead that is there at any load [W]; with `proportional`."""
    proportional: Multiple | None = None
    """Facility power per IT power on top of it; with `fixed_w`."""
    table: Annotated[list[tuple[Fraction, Multiple]], Field(min_length=2)] | None = None
    """In place of both: pairs of IT load (fraction of the most that GPUs and hosts draw) and PUE;
    linear between them, constant beyond."""

    @model_validator(mode="after")
    def _one_form(self) -> LoadPueKeys:
        given = [self.fixed_w is not None, self.proportional is not None, self.table is not None]
        if given not in ([True, True, False], [False, False, True]):
            raise ValueError("expected either `fixed_w` and `proportional`, or `table`")
        self.model(1.0)
        return self

    def model(self, full_w: float) -> Pue:
        """Return the PUE of a facility whose IT draws `full_w` at most [W].

        Raises:
            InferenceSimError: If there cannot be such a facility.
        """
        if self.table is not None:
            loads, values = zip(*self.table, strict=True)
            return LoadPue(loads, values, full_w)
        assert self.fixed_w is not None and self.proportional is not None  # noqa: S101, PT018
        return LinearPue(self.fixed_w, self.proportional)


class TemperaturePueKeys(StrictModel):
    """PUE by the temperature outside."""

    type: Literal["temperature"]
    """By the temperature outside."""
    table: Annotated[list[tuple[float, Multiple]], Field(min_length=2)]
    """Pairs of temperature [°C] and PUE; linear between them, constant beyond."""
    outside: Temperature
    """The temperature outside."""

    @model_validator(mode="after")
    def _possible(self) -> TemperaturePueKeys:
        self.model(1.0)
        return self

    def model(self, full_w: float) -> Pue:
        """Return the PUE.

        Raises:
            InferenceSimError: If the temperatures do not rise.
        """
        temperatures_c, values = zip(*self.table, strict=True)
        return TemperaturePue(temperatures_c, values)


def _form(value: Any) -> str:
    return "mapping" if isinstance(value, dict | StrictModel) else "number"


PueKeys = Annotated[
    Annotated[Multiple, Tag("number")]
    | Annotated[
        Annotated[LoadPueKeys | TemperaturePueKeys, Field(discriminator="type")], Tag("mapping")
    ],
    Discriminator(_form),
]
"""A number, or PUE as a function."""
