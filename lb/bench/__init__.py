"""CPU cost of a request in the balancer's own code, without sockets."""
