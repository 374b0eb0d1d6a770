"""What a request costs in the balancer's own code: no sockets, no event loop in between, one number to watch."""
