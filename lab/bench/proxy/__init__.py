"""`lab bench proxy`: CPU time per request and memory per idle connection of each balancer."""
