"""Template and style of the page of a gate."""
