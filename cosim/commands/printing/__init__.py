"""The printed output of the command line: reports of runs, tables of studies, catalogues."""
