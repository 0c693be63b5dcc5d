"""Power of a GPU, by the use of its parts or from a table, and of the facility around it."""

from inference_sim.power.base import CLOCK_EXPONENT, PowerModel, Use
from inference_sim.power.models import MfuPowerLaw, TwoResource
from inference_sim.power.table import PowerTable

__all__ = ["CLOCK_EXPONENT", "MfuPowerLaw", "PowerModel", "PowerTable", "TwoResource", "Use"]
