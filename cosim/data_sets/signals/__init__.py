"""Signals on the command line: what is in one, and public ones to fetch.

Apart from `cosim.signals`, whose import would delay ``--help``.
"""
