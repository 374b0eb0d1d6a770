"""Scenarios of the league."""
