"""Policy ``carbon_time``: start deferred work where it saves most carbon per time until its end.

A bucket of deferrable work with slack W and length J (see `controllers.bucket`) starts at

    argmax over i <= W of (C_0 - C_i) / (i + J),   C_i = sum over k < J of F_(i+k)

where F is the forecast of the carbon intensity. Starting at once, i = 0, is worth 0, so it never
waits without a gain, and it waits less long than ``lowest_window`` where a longer wait gains
little. This is the policy "Carbon-Time" of GAIA [1]_, which plans a job once, as it comes. Here the
plan is made anew at each forecast until the bucket has started, so i and C_0 keep counting from the
step in which it opened, with the intensities that were seen since: counted from the present, any
gain to come would be worth waiting for, and the policy would be ``lowest_window``.

References:
    .. [1] W. A. Hanafy et al., "Going Green for Less Green: Optimizing the Cost of Reducing Cloud
       Carbon Emissions" (GAIA), ASPLOS 2024.
"""

from __future__ import annotations

import numpy as np

from controllers.arrays import FloatArray
from controllers.bucket import ROUNDING, BucketPolicy


class CarbonTime(BucketPolicy):
    """Start of deferrable work where the carbon saved per time until its end is greatest."""

    def choose(self, sums: FloatArray, length: int, waited: int, at_once: float) -> int:
        """Return the first step at which the saving per time until the end is greatest."""
        saved = at_once - sums
        gain = saved / (waited + np.arange(len(sums)) + length)
        best = int(np.argmax(gain))
        return best if saved[best] > ROUNDING * at_once else 0
