"""Page and style of the comparison."""
