"""``cosim evaluate``: policies side by side on one scenario, and what is possible at best."""
