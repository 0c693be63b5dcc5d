"""Write the golden figures anew: ``python -m tests.golden.update``, from the repository's root."""

from __future__ import annotations

import json

from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from tests.cosim.builders import SCENARIOS
from tests.golden import COUPLING, GOLDEN, SHORT, figures


def main() -> None:
    for name, overrides in SHORT.items():
        result = execute(load_plan(SCENARIOS / f"{name}.yaml", (*overrides, COUPLING)))
        text = json.dumps(figures(result.summary.to_dict()), indent=2) + "\n"
        path = GOLDEN / f"{name}.json"
        changed = not path.is_file() or path.read_text(encoding="utf-8") != text
        path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {'written' if changed else 'unchanged'}")


if __name__ == "__main__":
    main()
