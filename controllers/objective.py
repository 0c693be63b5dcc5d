"""The SLO for the time per token that a policy keeps, and the parts of a site that it needs."""

from __future__ import annotations

from controllers.actuators import ActuatorLimits
from controllers.base import SiteContext
from controllers.observation import SiteObservation
from controllers.service import ServiceModel
from controllers.site_views import NO_LATENCY


class TpotObjective:
    """The SLO for the time per output token (TPOT): one for all, or one per class.

    Example::

        slo = TpotObjective(context).required(context)
        ratio = slo.ratio(observation)  # above 1 where it is violated; None without requests

    Args:
        context: The site.
        tpot_slo_s: SLO for all requests together [s]; None for those of the classes.

    Attributes:
        bound_s: The tightest SLO [s]; None without one.
    """

    def __init__(self, context: SiteContext, tpot_slo_s: float | None = None) -> None:
        self._overall_s = tpot_slo_s
        self._by_class = {
            info.name: info.tpot_slo_s for info in context.classes if info.tpot_slo_s is not None
        }
        bounds = [tpot_slo_s] if tpot_slo_s is not None else list(self._by_class.values())
        self.bound_s = min(bounds, default=None)

    def ratio(self, observation: SiteObservation) -> float | None:
        """Return the 99th percentile over the SLO, of the class nearest to its own.

        None if no request completed lately, or without an SLO.
        """
        if self._overall_s is not None:
            observed = observation.tpot_p99_s
            return None if observed is None else observed / self._overall_s
        classes = observation.classes
        by_class = {name: classes.get(name, NO_LATENCY).tpot_p99_s for name in self._by_class}
        ratios = [
            observed / self._by_class[name]
            for name, observed in by_class.items()
            if observed is not None
        ]
        return max(ratios, default=None)

    def required(self, context: SiteContext) -> TpotObjective:
        """Return itself.

        Raises:
            ValueError: If there is no SLO.
        """
        if self.bound_s is None:
            raise ValueError(
                f"site '{context.site}' has no SLO for the time per token to hold: "
                "give tpot_slo_s, or slo.tpot_s of a class of requests"
            )
        return self


def required_limits(context: SiteContext, actuator: str) -> ActuatorLimits:
    """Return the range of an actuator that a policy cannot do without.

    Raises:
        ValueError: If the site does not have it.
    """
    limits = context.limits.get(actuator)
    if limits is None:
        raise ValueError(f"site '{context.site}' has no {actuator} to set")
    return limits


def required_service(context: SiteContext, use: str = "plan for") -> ServiceModel:
    """Return the service model of the site's deployment, for a policy that plans with it.

    Args:
        context: The site.
        use: The policy's use of the cluster, for the message.

    Raises:
        ValueError: If the site has no cluster, or several pools.
    """
    if len(context.pools) > 1:
        raise ValueError(
            f"site '{context.site}' has {len(context.pools)} pools: "
            "the policy knows deployments of one"
        )
    if context.service is None:
        raise ValueError(f"site '{context.site}' has no cluster to {use}")
    return context.service
