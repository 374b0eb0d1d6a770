"""Open-loop traffic: requests leave on schedule whatever becomes of earlier ones. Runs as a process of its own."""
