"""`lab bench proxy`: what a request costs in CPU, and an idle connection in memory, through each balancer."""
