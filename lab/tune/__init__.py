"""The tuner: which changes of a user's own file meet a goal, by the adviser's models, with the fewest changes."""
