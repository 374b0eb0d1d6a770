"""The experiment: runtimes, scenarios, traffic, history, checkers, reports and the command line."""
