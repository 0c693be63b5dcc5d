"""One run, made and measured; and jobs on all cores."""
