"""Metrics, event log, decision log and access log of the balancer."""
