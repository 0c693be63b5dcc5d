"""Writing a controller: a start for a new one, and the checks of any."""
