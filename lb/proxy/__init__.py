"""The data plane: asyncio protocols on llhttp that carry out what `lb.core` decides. docs/data-plane.md is the map."""
