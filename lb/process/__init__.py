"""Parts of every balancer process: listening sockets, TLS, signals, event loop, and the data plane and health checks,
built from the configuration. `lb.service` and each worker use them.
"""
