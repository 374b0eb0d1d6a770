"""The admin API, on a port of its own: the state of the balancer, changes by operators, and the event stream."""
