"""Monkeys: random faults from a seed, at a rate and within a budget. The whole plan is made first, then carried out."""
