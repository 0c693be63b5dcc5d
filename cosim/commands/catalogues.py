"""``cosim schema``, ``cosim models`` and ``cosim gpus``: what scenarios can say and name."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON Schema of scenario files."""
    from cosim.scenario.schema import schema_text

    print(schema_text(), end="")


def models() -> None:
    """List the LLMs that scenarios can name."""
    from cosim.commands.printing.catalogues import print_models

    print_models()


def gpus() -> None:
    """List the GPUs that scenarios can name."""
    from cosim.commands.printing.catalogues import print_gpus

    print_gpus()
