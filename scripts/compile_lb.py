#!/usr/bin/env python3
"""Compile the hot modules of `lb` with mypyc: `compile_lb.py [--source lb] [FOLDER]`, by default build/compiled.

The folder gets a copy of the whole package, so that the source itself stays uncompiled. Run the compiled one with
`PYTHONPATH=build/compiled python -P -m lb`. Needs mypy (which includes mypyc), setuptools, a C compiler and Python's
headers. See docs/decisions/0010.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOT = (
    *("affinity_key", "client", "data_plane", "dialing", "exchange_relay", "heads", "limits", "minimum_rate", "origin"),
    *("own_responses", "pool", "reported_load", "request", "request_framing", "request_reader", "request_record"),
    *("response_framing", "response_repair", "response_writer", "ticker", "trailers", "tunnel", "upstream"),
    "write_batch",
)
"""Modules of `lb/proxy` to compile. Of the core, all but `PICKLED` are compiled."""
RECORDING = ("access_log", "request_stats", "decision_log")
"""Modules of `lb/telemetry` to compile: they record each request."""
PICKLED = ("events.py", "load_weights.py", "settings.py")
"""Modules whose objects workers send to each other: mypyc's frozen dataclasses cannot be unpickled."""


def main() -> int:
    """Compile; return 0, or 255 if this machine cannot."""
    parser = argparse.ArgumentParser(description="Compile the hot modules of lb with mypyc.")
    parser.add_argument("--source", type=Path, default=ROOT / "lb", help="the package; default: this repository's")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build" / "compiled", help="is replaced")
    options = parser.parse_args()
    source, folder = options.source.resolve(), options.folder.resolve()
    try:
        from mypyc.build import mypycify
        from setuptools import setup
    except ImportError as error:
        sys.stderr.write(f"compile_lb: {error}\n  next: pip install mypy setuptools\n")
        return 255
    if shutil.which(os.environ.get("CC", "cc")) is None:
        sys.stderr.write("compile_lb: no C compiler\n  next: install gcc and your Python's headers\n")
        return 255
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder / "lb", ignore=shutil.ignore_patterns("__pycache__"))
    os.chdir(folder)
    modules = [str(path) for path in sorted(Path("lb/core").rglob("*.py")) if path.name not in PICKLED]
    modules += [f"lb/proxy/{name}.py" for name in HOT] + [f"lb/telemetry/{name}.py" for name in RECORDING]
    options = ["--config-file=/dev/null", "--ignore-missing-imports", *modules]
    extensions = mypycify(options, opt_level="2", debug_level="0")
    setup(name="lb", packages=[], ext_modules=extensions, script_args=["--quiet", "build_ext", "--inplace"])
    shutil.rmtree(folder / "build", ignore_errors=True)
    sys.stdout.write(f"compiled: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
