"""A backend replica: health, dummy work, and misbehaviour on request."""
