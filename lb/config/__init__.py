"""The configuration: its schema, the reader of the YAML file and the environment, units, and upper limits."""
