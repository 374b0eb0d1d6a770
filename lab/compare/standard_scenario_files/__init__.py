"""Scenario files of `lab.compare.standard_scenarios`."""
