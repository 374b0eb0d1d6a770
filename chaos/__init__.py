"""The chaos service: injects faults, verifies that they bit, and heals them whatever dies."""
