"""Active health checks: the scheduler, and one check over HTTP, TCP or TLS."""
