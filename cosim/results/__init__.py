"""The result folder: requests, steps, actions, summary, resolved scenario, manifest."""

from cosim.results.folder import ResultFolder
from cosim.results.requests import RequestLog
from cosim.results.summary import summarise

__all__ = ["RequestLog", "ResultFolder", "summarise"]
