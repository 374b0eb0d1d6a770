"""Runs one plan against one lab: preflight, traffic, faults and operator actions on schedule, everything recorded."""
