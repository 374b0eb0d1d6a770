"""What people write and how mistakes are reported: environment, command line, quantities with units."""
