"""Measures the CPU cost of a request in the balancer's code, without sockets."""
