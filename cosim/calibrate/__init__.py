"""Fits the simulator's coefficients on a user's own telemetry: ``cosim calibrate``.

``table`` and ``rows`` read and check the file, ``steady_state`` says what the simulator makes of a
row, ``fitting`` solves and cross-validates, ``power`` and ``latency`` say what is fitted on what,
``output`` writes the files that scenarios can name, and ``record`` samples GPUs.
"""
