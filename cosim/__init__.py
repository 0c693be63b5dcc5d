"""Closed-loop co-simulation of LLM serving, a microgrid and carbon-aware controllers."""

from cosim._own_packages import take_names

__version__ = "0.1.0"

take_names()
