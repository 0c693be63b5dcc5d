"""What a scenario file may say: one model per section, checked as a whole."""
