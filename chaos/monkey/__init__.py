"""The monkey: random faults from a seed, at a rate, within a budget. Planned first, then carried out as planned."""
