"""One checker a file: a pure function from a run's record to a `Check`. `lab.judge` composes them to the worst."""
