"""LLM serving simulator on SimPy: usable alone, without mosaik, Vessim or controllers."""


def is_compiled() -> bool:
    """Tell whether the inner loop runs as a C extension; as plain Python it does the same."""
    from inference_sim import engine

    return not engine.__file__.endswith(".py")
