"""The chaos service injects faults, verifies their effect, and heals them even after a crash."""
