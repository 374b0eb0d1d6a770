"""The data plane: asyncio protocols on llhttp that perform what `lb.core` decides. See docs/data-plane.md."""
