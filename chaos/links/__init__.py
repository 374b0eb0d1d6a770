"""Network impairments, independent of the mechanism: what a link fault is and what it does to packets. Pure."""
