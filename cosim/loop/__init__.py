"""One step after the other: controllers, clusters and microgrids, coupled and recorded."""
