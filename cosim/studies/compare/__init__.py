"""``cosim compare``: result folders of runs side by side."""
