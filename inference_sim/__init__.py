"""LLM serving simulator on SimPy: usable alone, without mosaik, Vessim or controllers."""
