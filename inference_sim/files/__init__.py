"""Files that people write: one dialect of YAML, and one way to check and to explain what it says.

It stands below the simulator and ``cosim`` alike: scenarios, GPUs, engines, models and all data
files of the packages are read by it.
"""
