"""The lab as a library for tests: what the pytest plugin's fixtures hand out. Synchronous: no test need be async."""
