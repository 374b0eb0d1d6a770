"""The data plane: asyncio protocols on llhttp that carry out the decisions of `lb.core`. See docs/data-plane.md."""
