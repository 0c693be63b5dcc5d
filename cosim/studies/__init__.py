"""Many runs: evaluations of policies, sweeps, the paper's experiments, capacity."""
