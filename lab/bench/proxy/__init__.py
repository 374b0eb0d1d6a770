"""`lab bench proxy`: CPU time of a request and memory of an idle connection in each balancer."""
