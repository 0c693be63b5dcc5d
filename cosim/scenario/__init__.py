"""Keys of a scenario file: one model per section, checked as a whole."""
