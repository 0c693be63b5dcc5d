"""The built-in table of Linke turbidity, made from the map that pvlib ships.

pvlib's map (J. Remund et al., "Worldwide Linke turbidity information", ISES Solar World Congress,
2003; SoDa) has a value per month and 5 minutes of arc. The table has a node every 2 degrees, such
that the bilinear interpolation is the map's least-squares fit: 0.2 MB in place of 16 MB. The loss
of accuracy is on docs/solar.md (`python -m calibration.solar`).

Usage: ``python -m calibration.turbidity`` (needs pvlib)
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from cosim.signals.turbidity import CELL_DEG, TABLE
from inference_sim.arrays import FloatArray

HEADER = (
    "# Linke turbidity x 100: nodes whose bilinear interpolation is the least-squares fit of the\n"
    "# map LinkeTurbidities.h5 in pvlib (BSD-3-Clause), after J. Remund et al., Worldwide Linke\n"
    "# turbidity information, ISES Solar World Congress 2003. A row per month from January and,\n"
    "# within it, per latitude from 90 N to 90 S; a column per longitude from 180 W to 178 E.\n"
)
_MAP_SCALE = 20  # the map holds whole twentieths


def _hats(fine: int, coarse: int, *, closed: bool) -> FloatArray:
    """Return the weights of `coarse` equal spans' ends in `fine` points between them.

    Shape (fine, coarse) where the last end is the first one, otherwise (fine, coarse + 1).
    """
    nodes = coarse if closed else coarse + 1
    places = (np.arange(fine) + 0.5) * coarse / fine
    before = np.floor(places).astype(int)
    weights = np.zeros((fine, nodes))
    weights[np.arange(fine), before % nodes] += 1 - (places - before)
    weights[np.arange(fine), (before + 1) % nodes] += places - before
    return weights


def month_rows(month: int) -> list[str]:
    """Return the table's rows of a month, from 0.

    Raises:
        ImportError: If pvlib is not installed.
    """
    import h5py
    import pvlib

    path = Path(pvlib.__file__).parent / "data" / "LinkeTurbidities.h5"
    with h5py.File(path) as file:
        fine = file["LinkeTurbidity"][:, :, month] / _MAP_SCALE
    down = _hats(fine.shape[0], 180 // CELL_DEG, closed=False)
    along = _hats(fine.shape[1], 360 // CELL_DEG, closed=True)
    half = np.linalg.solve(down.T @ down, down.T @ fine)
    nodes = np.linalg.solve(along.T @ along, along.T @ half.T).T
    return [",".join(map(str, row)) for row in np.rint(100 * nodes).astype(int)]


def main() -> None:
    """Write the table to its place."""
    rows = [row for month in range(12) for row in month_rows(month)]
    TABLE.write_bytes(gzip.compress((HEADER + "\n".join(rows) + "\n").encode(), mtime=0))
    print(f"{TABLE}: {TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
