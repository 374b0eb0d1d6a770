"""Balancers with one planted bug each, to prove that the lab catches it.

A module plants one bug by replacing a piece of `lb` before it runs; nothing of it is in the product:
`python -m tests.mutants NAME -- --config lb.yaml` is the balancer with that bug. Each module says which scenario has to
catch it (`SCENARIO`, a name of the library or a file here), under which settings (`SETTINGS`, the balancer's
environment), by which checks (`CAUGHT_BY`: all of them must fail) and, where bad requests are what shows, in which
phases they may be put down (`PHASES`).
"""
