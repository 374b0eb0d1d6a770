"""Active health checks: the scheduler, and the checks by HTTP, TCP and TLS."""
