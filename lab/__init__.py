"""The lab: run experiments on a load balancer and judge them. Runtimes, scenarios, traffic, checkers, reports, CLI."""
