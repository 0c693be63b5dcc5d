"""Fits the simulator's coefficients on a user's own telemetry: ``cosim calibrate``.

``table`` and ``rows`` read and check the file, ``steady_state`` simulates a row, ``fitting``
solves and cross-validates, ``power`` and ``latency`` define the fits,
``output`` writes the files that scenarios can name, and ``record`` samples GPUs. ``kernels`` is for
those who have no machine to measure: it builds tables from kernel times that NVIDIA published.
"""
