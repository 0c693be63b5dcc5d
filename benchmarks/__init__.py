"""The speed and the memory of the simulator: ``python -m benchmarks --help``.

Fixed workloads, each in a process of its own. Every speed is also given as a ratio to that of bare
SimPy right before, in the same process, so that figures from different machines compare.
"""
