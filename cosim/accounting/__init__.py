"""Energy, carbon and cost of a run; the paper's definitions; quantiles in bounded memory."""
