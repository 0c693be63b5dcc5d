"""``cosim capacity``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cosim.commands.options import Overrides, ScenarioFile, Seed, planned

if TYPE_CHECKING:
    from cosim.studies.capacity import Probe


def capacity(
    scenario: ScenarioFile,
    site: Annotated[str | None, typer.Option(help="The site, if several have a cluster.")] = None,
    overrides: Overrides = None,
    seed: Seed = None,
    requests: Annotated[int, typer.Option(min=100, help="Fewest requests of a run.")] = 4000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the highest arrival rate at which a cluster meets its SLOs.

    99 % of each class must meet its SLOs; where no SLO bounds the wait, 99 % of the requests must
    be scheduled within 5 s. Controllers and microgrid take no part. A daily profile is taken at its
    peak.
    """
    plan = planned(scenario, overrides, seed)

    from cosim.accounting.words import number
    from cosim.results.folder import to_json
    from cosim.studies.capacity import criterion, describe, find_capacity, to_dict

    def show(probe: Probe) -> None:
        if not as_json:
            print(describe(probe), flush=True)

    result = find_capacity(plan, site, requests=requests, on_probe=show)
    if as_json:
        print(to_json(to_dict(plan, result)))
    else:
        rate, own = result.held.rate_per_s, result.scenario_rate_per_s
        print(
            f"capacity of {result.site}: {number(rate)} requests/s, {rate / own:.3g} times the "
            f"scenario's\n({criterion(result.held)})"
        )
