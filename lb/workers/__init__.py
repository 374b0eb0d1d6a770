"""With `workers: N`, N processes serve the traffic and their parent does everything else (docs/decisions/0015)."""
