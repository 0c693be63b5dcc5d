"""Points of the unit cube at which parameters are tried.

`Design` spreads them evenly over the cube, whatever the runs show. `Tpe` goes on from such a start
to where the good trials are; see J. Bergstra et al., "Algorithms for Hyper-Parameter Optimization",
NeurIPS 2011.
"""

from __future__ import annotations

from typing import Any, Protocol

from cosim.errors import CosimError, install_hint

Point = tuple[float, ...]


class Points(Protocol):
    """A source of points."""

    def draw(self) -> Point:
        """Return another point of the unit cube."""


class Design:
    """A scrambled Sobol sequence, which covers the cube evenly however many points are taken.

    Args:
        size: Number of axes.
        seed: Seed of the scrambling.
    """

    def __init__(self, size: int, seed: int) -> None:
        from scipy.stats import qmc

        self._sequence = qmc.Sobol(size, seed=seed)

    def draw(self) -> Point:
        """Return the next point."""
        return tuple(map(float, self._sequence.random(1)[0]))


class Tpe:
    """A tree-structured Parzen estimator, which draws where good trials are dense.

    Args:
        size: Number of axes.
        seed: Seed of its draws.

    Raises:
        CosimError: If optuna is not installed.
    """

    def __init__(self, size: int, seed: int) -> None:
        optuna = import_optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        distribution = optuna.distributions.FloatDistribution(0.0, 1.0)
        self._axes: dict[str, Any] = {f"{axis:03}": distribution for axis in range(size)}
        self._study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=1)
        )

    def draw(self) -> Point:
        """Return a point among the good ones."""
        params = self._study.ask(self._axes).params
        return tuple(float(params[axis]) for axis in self._axes)

    def learn(self, point: Point, score: float) -> None:
        """Take in the score of a point; lower is better."""
        trial = import_optuna().trial.create_trial(
            params=dict(zip(self._axes, point, strict=True)), distributions=self._axes, value=score
        )
        self._study.add_trial(trial)


def import_optuna() -> Any:
    """Return the module.

    Raises:
        CosimError: If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise CosimError(
            f"--sampler tpe needs optuna, which is not installed: {install_hint('tune')} (or "
            "pip install optuna)"
        ) from error
    return optuna
