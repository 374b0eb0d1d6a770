"""Clients of the other services: balancer, chaos service and replicas, over HTTP."""
