"""Several processes for the traffic, one for everything else: `workers: N` (docs/decisions/0015)."""
