"""The kinds of fault. Every module here with a `FAULT` is one kind; there is no list to add it to.

A kind declares the abilities that its target must have (`needs`), the part of the target that it occupies (`layer`),
its parameters with units and limits, how it looks to a balancer (`bound`), and how to inject, verify and heal it.
`python -m chaos.faults` prints the declarations as JSON. `make fault-kinds` writes the lab's copy of them, the table of
bounds and docs/faults.md.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from .base import AnyFault, Layer

_LAYERS = tuple(Layer)


def _built_in() -> Iterator[AnyFault]:
    for each in pkgutil.iter_modules(__path__):
        if each.name != "__main__":
            fault = getattr(importlib.import_module(f"{__name__}.{each.name}"), "FAULT", None)
            if fault is not None:
                yield fault


FAULTS: dict[str, AnyFault] = {
    fault.kind: fault for fault in sorted(_built_in(), key=lambda each: (_LAYERS.index(each.layer), each.kind))
}
"""All fault kinds, sorted by layer and name. `chaos.faults.extensions` adds those of other packages."""

__all__ = ["FAULTS", "AnyFault"]
