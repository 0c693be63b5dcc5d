"""``cosim sweep``: many variants of one scenario, and which of them is best."""
