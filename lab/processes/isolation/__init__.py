"""Confines a balancer with a user's configuration to the lab, as far as the kernel of this host allows."""
