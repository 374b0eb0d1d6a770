"""Input from people: environment variables, command lines and quantities with units, and the wording of errors."""
