"""The balancer: a pure core (`lb.core`) and an asyncio shell around it."""
