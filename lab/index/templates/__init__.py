"""Template and style of the index."""
