"""How each runtime is reached: containers by the Docker SDK, local processes by signals and a relay."""
