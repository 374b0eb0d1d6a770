"""The admin API on its own port: what the balancer knows, what it is told to change, and what happens as it happens."""
