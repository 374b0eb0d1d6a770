"""Scenarios: what an experiment does, as a file that people write and as the plan that a seed makes of it."""
