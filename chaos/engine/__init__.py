"""The life of a fault: admission, journal, injection, healing. The runtimes are in `chaos.drivers`."""
