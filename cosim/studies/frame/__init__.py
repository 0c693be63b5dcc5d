"""The frame of studies: cases run on all cores and kept, tables, a folder that is read again."""
