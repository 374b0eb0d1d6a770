"""What the balancer tells about itself: metrics, events, decisions, and the access log."""
