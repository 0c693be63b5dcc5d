"""Kernel tables, built from the measurements of NVIDIA's package aiconfigurator-core."""
