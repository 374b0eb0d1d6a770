"""The configuration: schema, reader of the YAML file and the environment, units, and limits of all values."""
