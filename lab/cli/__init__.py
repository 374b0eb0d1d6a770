"""The commands of `lab`: each parses, calls the lab, prints. What they do lives in the other modules."""
