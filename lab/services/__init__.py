"""HTTP clients of the balancer, the chaos service and the backends, and where they listen."""
