"""The gate for CI: runs scenarios, and says whether the results are significantly worse than a stored baseline."""
