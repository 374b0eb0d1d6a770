"""The lab as a library for tests: the pytest plugin and the objects behind its fixtures. All of it is synchronous."""
