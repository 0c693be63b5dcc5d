"""Signals on the command line: their content, and public ones to fetch.

Apart from `cosim.signals`, whose import would delay ``--help``.
"""
