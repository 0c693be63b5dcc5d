"""The result folder: requests, steps, actions, summary, resolved scenario, manifest."""
