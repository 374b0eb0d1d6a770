"""Network impairments, independent of the mechanism: parameters of a link fault and its effect on packets. Pure."""
