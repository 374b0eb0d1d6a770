"""HTTP clients of the balancer, the chaos service and the backends, and the addresses of these services."""
