"""``python -m cosim``."""

import sys

if not sys.flags.safe_path:
    # Python has put the current folder first, where a file of the user's would hide a library's
    sys.path.append(sys.path.pop(0))

from cosim.commands.start import main

main()
