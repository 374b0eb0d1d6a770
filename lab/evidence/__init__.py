"""The record of a run: files, clocks and their formats, both for writing during the run and for reading afterwards."""
