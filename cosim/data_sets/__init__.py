"""Public data sets to fetch, and views of signal and trace files."""
