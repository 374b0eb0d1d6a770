"""Templates of the phase sweep's page."""
