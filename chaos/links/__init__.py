"""Network impairments without a driver: what a link fault is, and what it does to packets. Pure."""
