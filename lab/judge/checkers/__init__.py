"""One checker a file: a pure function from a run's record to a `Check`. `lab.judge.judge` takes the worst of them."""
