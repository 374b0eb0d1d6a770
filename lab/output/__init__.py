"""Output of the lab: terminal, atomically written files, JSON, and text from outside with inert control characters."""
