"""What is recorded of a run, and how it is read back: history, events, record, verdict."""
