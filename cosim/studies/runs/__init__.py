"""Many runs: made on all cores, kept as they end, measured; what evaluations and sweeps share."""
