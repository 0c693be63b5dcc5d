"""What a GPU draws, from how busy its parts are or from a table, and the facility around it."""

from inference_sim.power.base import CLOCK_EXPONENT, PowerModel, Use
from inference_sim.power.models import MfuPowerLaw, TwoResource
from inference_sim.power.table import PowerTable

__all__ = ["CLOCK_EXPONENT", "MfuPowerLaw", "PowerModel", "PowerTable", "TwoResource", "Use"]
