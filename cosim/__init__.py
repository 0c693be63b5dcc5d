"""Closed-loop co-simulation of LLM serving, a microgrid and carbon-aware controllers."""

__version__ = "0.1.0"
