"""Access to the ports of the chaos service and of a relay: token, Host and Origin checks, limits on size and number."""
