"""The paper's experiments: its sweeps run again, its published values and corrected ones beside."""
