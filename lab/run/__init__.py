"""Run one plan against one lab: preflight checks, traffic, faults and operator actions on schedule, and recording."""
