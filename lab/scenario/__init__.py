"""Scenarios: the file that describes an experiment, and the plan that results from the file and a seed."""
