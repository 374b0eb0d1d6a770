"""A backend replica with health checks, dummy work, and misbehaviour on request."""
