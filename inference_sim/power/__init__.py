"""What a GPU draws, from how busy its compute units, memory and sampler are."""

from inference_sim.power.models import MfuPowerLaw, PowerModel, TwoResource

__all__ = ["MfuPowerLaw", "PowerModel", "TwoResource"]
