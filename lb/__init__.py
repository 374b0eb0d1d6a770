"""The balancer: a pure core (`lb.core`), and asyncio code around it that does the IO."""
