"""Request traces on the command line: what is in one, and public ones to fetch."""
