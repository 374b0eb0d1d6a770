"""Pages of the benchmarks, and their styles."""
