"""Benchmarks: what the balancer's policies do by simulation, and beside theory."""
