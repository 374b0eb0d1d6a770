"""The adviser: what the settings of a balancer add up to when a server fails, and which of them are dangerous."""
