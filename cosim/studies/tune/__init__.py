"""``cosim tune``: the parameters of a policy, searched in weeks apart from those of the report."""
