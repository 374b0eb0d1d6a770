"""Output of the lab: terminal, atomically written files, JSON, and neutralised control characters in foreign text."""
