"""Policy ``lowest_window``: start deferred work in the cleanest window that its slack allows.

A bucket of deferrable work with slack W and length J (see `controllers.bucket`) starts at

    argmin over i <= W of C_i,   C_i = sum over k < J of F_(i+k)

where F is the forecast of the carbon intensity, the step that begins first; the earliest of equal
ones, so that nothing waits on a flat day. It is planned anew at each forecast until it has started.
This is the scheduling of uninterruptible jobs in [1]_, and "lowest window" in [2]_.

References:
    .. [1] P. Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon
       Emissions in the Cloud", Middleware 2021.
    .. [2] W. A. Hanafy et al., "Going Green for Less Green: Optimizing the Cost of Reducing Cloud
       Carbon Emissions" (GAIA), ASPLOS 2024.
"""

from __future__ import annotations

import numpy as np

from controllers.arrays import FloatArray
from controllers.bucket import ROUNDING, BucketPolicy


class LowestWindow(BucketPolicy):
    """Start of deferrable work where the forecast carbon over its length is least."""

    def choose(self, sums: FloatArray, length: int, waited: int, at_once: float) -> int:
        """Return the first step at which the sum is least."""
        lowest = sums.min()
        return int(np.flatnonzero(sums <= lowest + ROUNDING * abs(lowest))[0])
