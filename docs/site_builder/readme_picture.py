"""The picture of the first page: 44 hours without control and with it, for light and dark ground.

It is drawn from the result folders of the demo, by the writer of the reports' charts:

    cosim demo
    python -m docs.site_builder.readme_picture results/demo
"""

from __future__ import annotations

import sys
from pathlib import Path

from cosim.errors import CosimError
from cosim.report.run_data import RunData
from cosim.studies.compare.picture import picture, write_pictures

IMAGES = Path(__file__).parents[1] / "images"


def main() -> None:
    """Write the picture of the result folder that is named on the command line."""
    if len(sys.argv) != 2:
        usage = "python -m docs.site_builder.readme_picture DIR"
        sys.exit(f"usage: {usage} (got {len(sys.argv) - 1} arguments)")
    try:
        pair = [RunData.load(Path(sys.argv[1]) / name) for name in ("without", "with")]
    except CosimError as error:
        sys.exit(f"error: {error}")
    for path in write_pictures(picture(*pair), IMAGES, "demo"):
        print(path)


if __name__ == "__main__":
    main()
