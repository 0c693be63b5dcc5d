"""``python -m cosim``."""

from cosim.commands.app import main

main()
