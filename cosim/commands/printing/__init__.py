"""What the command line prints for people: what happened in a run, and the catalogues."""
