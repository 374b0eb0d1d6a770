"""How the lab writes: to a terminal, to files that are complete or absent, and text from elsewhere made inert."""
