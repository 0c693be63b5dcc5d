"""The place of an error of a controller."""

from __future__ import annotations

from typing import Any

import cloudpickle
import pytest

from controllers.errors import where_raised

SCRIPT = """
def step():
    raise ValueError("no")
"""


def test_the_line_of_a_script_whose_code_came_from_another_process() -> None:
    script: dict[str, Any] = {"__name__": "__main__", "__file__": "/home/me/script.py"}
    exec(compile(SCRIPT, "/home/me/script.py", "exec"), script)  # noqa: S102
    step = cloudpickle.loads(cloudpickle.dumps(script["step"]))
    with pytest.raises(ValueError, match="no") as raised:
        step()
    assert where_raised(raised.value) == "/home/me/script.py:3"
