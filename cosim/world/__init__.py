"""From a scenario to sites that can run: plan, workload, controllers, microgrid."""
