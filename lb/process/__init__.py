"""What a running process of the balancer needs: listening sockets, TLS, signals, event loop, and the data plane
and checks as the configuration wants them. Used by `lb.service` and by each worker.
"""
