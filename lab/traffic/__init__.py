"""Open-loop traffic generator: sends requests on schedule, whether or not earlier ones were answered. A process."""
