"""Scenario keys of a dispatch: the choice of a pool for each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from cosim.scenario.fields import Count, PlainName, StrictModel
from inference_sim.dispatch import ByLength, Disaggregated, DispatchRule, LeastEnergy, Tiers
from inference_sim.suggestions import did_you_mean

Share = Annotated[float, Field(ge=0, le=1)]
_ROUNDING = 1e-9


class TiersKeys(StrictModel):
    """A share of the requests for each pool, drawn request by request."""

    type: Literal["tiers"]
    """Shares, drawn request by request."""
    default: PlainName
    """Pool that gets the rest."""
    shares: dict[PlainName, Share] = {}
    """Share of the requests by pool; policies set them by the actuator tier_share."""
    by_class: dict[PlainName, dict[PlainName, Share]] = {}
    """Shares of classes that have their own, by class and pool."""

    def check(self, pools: Sequence[str]) -> None:
        """Check that its pools exist and its shares add up.

        Raises:
            ValueError: If not.
        """
        _known([self.default], pools, "default")
        _check_shares(self.shares, self.default, pools, "shares")
        for name, shares in self.by_class.items():
            _check_shares(shares, self.default, pools, f"by_class.{name}")

    def rule(self) -> DispatchRule:
        """Return the rule as the simulator takes it."""
        return Tiers(self.default, self.shares, self.by_class)


class ByLengthKeys(StrictModel):
    """Short prompts to one pool, long ones to another."""

    type: Literal["threshold"]
    """By the length of the prompt."""
    prompt_tokens: Count
    """Longest prompt that goes to the pool for short ones [tokens]."""
    short: PlainName
    """Pool for prompts up to that length."""
    long: PlainName
    """Pool for longer prompts."""

    def check(self, pools: Sequence[str]) -> None:
        """Check that its pools exist.

        Raises:
            ValueError: If not.
        """
        _known([self.short], pools, "short")
        _known([self.long], pools, "long")

    def rule(self) -> DispatchRule:
        """Return the rule as the simulator takes it."""
        return ByLength(self.prompt_tokens, self.short, self.long)


class LeastEnergyKeys(StrictModel):
    """The pool that needs the least energy for a token, at the batches that run now."""

    type: Literal["least_energy"]
    """By the energy of a token."""
    tpot_s: Annotated[float, Field(gt=0)] | None = None
    """Time per token above which a pool gets no more requests while another is faster [s]."""

    def check(self, pools: Sequence[str]) -> None:
        """Accept any pools."""

    def rule(self) -> DispatchRule:
        """Return the rule as the simulator takes it."""
        return LeastEnergy(self.tpot_s)


class DisaggregatedKeys(StrictModel):
    """Prompts to pools of role prefill, which hand them over to pools of role decode."""

    type: Literal["disaggregated"]
    """Prompts on pools of role prefill, decodes on those of role decode."""
    local_tokens: Annotated[int, Field(ge=0)] = 0
    """Longest prompt that is computed where the request decodes [tokens]: on a pool of role both,
    or else of role decode; none by default."""

    def check(self, pools: Sequence[str]) -> None:
        """Accept any pools; their roles are checked with the cluster."""

    def rule(self) -> DispatchRule:
        """Return the rule as the simulator takes it."""
        return Disaggregated(self.local_tokens)


DispatchKeys = Annotated[
    TiersKeys | ByLengthKeys | LeastEnergyKeys | DisaggregatedKeys, Field(discriminator="type")
]
"""Choice of a pool for each request."""


def _check_shares(
    shares: Mapping[str, float], default: str, pools: Sequence[str], key: str
) -> None:
    _known(shares, pools, key)
    total = sum(shares.values())
    if total > 1 + _ROUNDING:
        raise ValueError(f"{key} add up to {total:g}: expected 1 at most")
    if default in shares and abs(total - 1) > _ROUNDING:
        raise ValueError(
            f"{key} add up to {total:g}, with that of '{default}', the default: expected 1; "
            "leave the default out, as it gets the rest"
        )


def _known(names: Sequence[str] | Mapping[str, float], pools: Sequence[str], key: str) -> None:
    for name in names:
        if name not in pools:
            raise ValueError(
                f"{key}: no pool is named '{name}'; there are {', '.join(pools)}"
                f"{did_you_mean(name, pools)}"
            )
