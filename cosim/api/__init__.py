"""The functions and types of ``import cosim``, a module for each idea; ``cosim`` has the names."""
