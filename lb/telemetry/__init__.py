"""What the balancer reports about itself: metrics, events, decisions, and the access log."""
