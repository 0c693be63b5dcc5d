"""Request traces on the command line: their content, and public ones to fetch."""
