"""Who may call a port of the chaos service or of a relay, and how much a call may cost: token, Host, Origin, limits."""
