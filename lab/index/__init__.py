"""The index of a results folder: all runs, newest first, and trends for each scenario and entry."""
