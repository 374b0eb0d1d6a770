"""`workers: N`: N processes serve traffic, and their parent does everything else (docs/decisions/0015)."""
