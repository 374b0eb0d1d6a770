"""Benchmarks of policies (simulated, compared with theory), of proxies, of fault injection and of the checkers."""
