"""The commands of `lab`. Each parses its options, calls another room of the lab and prints the result."""
