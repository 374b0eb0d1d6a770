"""Access to each runtime: containers by the Docker SDK, local processes by signals and a relay."""
