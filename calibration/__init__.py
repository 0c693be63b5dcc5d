"""Fits the coefficients of the simulator on measurements, and says how far it is from them.

``python -m calibration.kernels``, ``calibration.engines`` and ``calibration.power`` read
measurements that are not part of this repository, print coefficients ready for the data files of
``inference_sim``, and write what they found into ``docs/validation.md`` with ``--write``.
"""
