"""Fits of the simulator's coefficients on measurements, and the errors that remain.

``python -m calibration.kernels``, ``calibration.engines`` and ``calibration.power`` read
measurements that are not part of this repository, print coefficients ready for the data files of
``inference_sim``, and write the errors into ``docs/validation.md`` with ``--write``.
"""
