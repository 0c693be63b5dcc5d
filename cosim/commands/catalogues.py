"""``cosim schema``, and commands that list models, GPUs, schedulers and routers for scenarios."""

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


def schedulers() -> None:
    """List the schedulers that scenarios can name."""
    from cosim.commands.printing.catalogues import print_schedulers

    print_schedulers()


def routers() -> None:
    """List the routers that scenarios can name."""
    from cosim.commands.printing.catalogues import print_routers

    print_routers()
