"""Files that people write: one dialect of YAML, and one way to check its values and explain errors.

The simulator and ``cosim`` both use it: it reads scenarios, GPUs, engines, models and all data
files of the packages.
"""
