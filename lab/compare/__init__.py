"""Comparison of several balancers under the same faults, interleaved, judged from the clients' side."""
