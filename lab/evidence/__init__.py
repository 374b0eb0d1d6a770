"""The record of a run: what is written while it goes on, and how it is read back. Files, clocks and their formats."""
