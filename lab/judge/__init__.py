"""Judges the record of a run with pure functions: judging an old run again gives the same result."""
