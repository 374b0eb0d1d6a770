#!/usr/bin/env python3
"""Compile the hot modules of `lb` with mypyc: `compile_lb.py [--source lb] [FOLDER]`, by default build/compiled.

The folder gets a complete copy of the package, so that the source remains what runs by default:
`PYTHONPATH=build/compiled python -P -m lb`. Needs mypy (with it comes mypyc), setuptools, a C compiler and Python's
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
    *("client", "data_plane", "dialing", "exchange_relay", "hash_key", "heads", "limits", "minimum_rate", "origin"),
    *("own_responses", "pool", "ports", "request", "request_framing", "request_reader", "request_record"),
    *("response_framing", "response_repair", "response_writer", "ticker", "trailers", "tunnel", "upstream"),
    "write_batch",
)
"""Modules of `lb/proxy`. Of `lb/core`, all are compiled but `SENT_BETWEEN_PROCESSES`."""
TELEMETRY = ("access_log", "request_stats", "decision_log")
"""Modules of `lb/telemetry`: those that record each request."""
SENT_BETWEEN_PROCESSES = ("events.py", "load_weights.py", "settings.py")
"""Modules of `lb/core` whose objects are sent to workers: frozen dataclasses of mypyc cannot be unpickled."""


def main() -> int:
    """Compile, and return the exit code: 0, or 255 if a tool is missing."""
    parser = argparse.ArgumentParser(description="Compile the hot modules of lb with mypyc.")
    parser.add_argument("--source", type=Path, default=ROOT / "lb", help="the package; default: this repository's")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=ROOT / "build" / "compiled", help="target folder; it is replaced"
    )
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
    modules = [str(path) for path in sorted(Path("lb/core").rglob("*.py")) if path.name not in SENT_BETWEEN_PROCESSES]
    modules += [f"lb/proxy/{name}.py" for name in HOT] + [f"lb/telemetry/{name}.py" for name in TELEMETRY]
    options = ["--config-file=/dev/null", "--ignore-missing-imports", *modules]
    extensions = mypycify(options, opt_level="2", debug_level="0")
    setup(name="lb", packages=[], ext_modules=extensions, script_args=["--quiet", "build_ext", "--inplace"])
    shutil.rmtree(folder / "build", ignore_errors=True)
    sys.stdout.write(f"compiled: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
