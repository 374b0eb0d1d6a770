"""One way to start, watch, confine and stop a process, and to wait until it answers."""
