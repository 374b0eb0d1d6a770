"""Open-loop traffic generator, run as a process: it sends requests on schedule, even if earlier ones are unanswered."""
