"""Notes on forecasts that have no day before the start to go by.

`same_hour_yesterday` forecasts a step by its value a day before, and by the present value where
that is not known. A policy that looks for a better hour then sees none, and does nothing or
the same at any hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controllers import HostedController, SiteSignals
from controllers.forecast import DAY_S, SameHourYesterday
from cosim.accounting.words import duration

_REMEDIES: Mapping[str, str] = {
    "carbon_intensity": "give data that begin a day before the start",
    "solar": "give data that begin a day before the start",
    "arrivals": "generate arrivals in place of a trace",
}


def history_notes(
    site: str, signals: SiteSignals, controllers: Sequence[HostedController], step_s: float
) -> list[str]:
    """Return a note for each signal of a site that is forecast by a day that is not known.

    Args:
        site: Name of the site.
        signals: Its signals and their forecasters.
        controllers: All controllers.
        step_s: Length of a step [s].
    """
    notes = []
    for signal in _REMEDIES:
        past = signals.past.get(signal, ())
        by_yesterday = isinstance(signals.forecasters.get(signal), SameHourYesterday)
        values = signals.values(signal)
        if not by_yesterday or len(past) * step_s >= DAY_S or not values.any():
            continue
        blind = [entry for entry in controllers if _looks(entry, site, signal)]
        if blind:
            names = ", ".join(dict.fromkeys(entry.name for entry in blind))
            known = f"only {duration(len(past) * step_s)}" if len(past) else "nothing"
            notes.append(
                f"{known} of {signal} is known before the start, so that on the first day its "
                f"forecast for {names} repeats the present value: {_REMEDIES[signal]}, or set "
                f"forecasts.{signal}"
            )
    return notes


def _looks(entry: HostedController, site: str, signal: str) -> bool:
    """Return whether a controller gets forecasts of a signal that may be wrong."""
    if entry.clairvoyant or (entry.is_blind and signal == "carbon_intensity"):
        return False
    return entry.site in (None, site) and signal in entry.controller.forecasts
