"""How fast the simulator is, and what it takes to be so: ``python -m benchmarks --help``.

Fixed workloads, each in a process of its own. Every speed is also given as a ratio to what bare
SimPy did right before, in the same process, so that figures from different machines compare.
"""
