"""Faults from order to heal: admission, journal, injection, verification, healing. Drivers are in `chaos.drivers`."""
