"""What a process of the balancer needs to run: listening sockets, TLS, signals, event loop, and the data plane and
health checks, built from the configuration. Used by `lb.service` and by each worker.
"""
