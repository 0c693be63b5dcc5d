"""``cosim evaluate``: policies side by side on one scenario, and the best possible result."""
