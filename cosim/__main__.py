"""``python -m cosim``."""

from cosim.commands.start import main

main()
