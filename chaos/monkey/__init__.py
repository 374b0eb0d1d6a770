"""Monkeys: random faults from a seed, at a rate and within a budget. They are all planned first, then carried out."""
