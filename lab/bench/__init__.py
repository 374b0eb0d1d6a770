"""Benchmarks of policies (simulated, beside theory), of proxies, of fault injection and of the checkers."""
