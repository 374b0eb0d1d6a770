"""Standard output and standard error as they are: any encoding, a pipe whose reader has gone, a disk that is full."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Final, NoReturn, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from .inert import inert

OUTPUT_CLOSED: Final = 141
"""128 + SIGPIPE, as a shell reports a program whose reader has gone (`lab run kill | head -1`): no verdict's code."""
_PLAINER: Final = {
    "–": "-",
    "—": "-",
    "…": "...",
    "·": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "×": "x",
    "−": "-",
    "✓": "+",
    "✗": "x",
    "▲": "^",
    "“": '"',
    "”": '"',
    "’": "'",
    "∞": "inf",
    "µ": "u",
    "█": "#",
    "━": "=",
    "╸": "=",
    "─": "-",
    "│": "|",
    "╭": "+",
    "╮": "+",
    "╯": "+",
    "╰": "+",
    "╺": "-",
}
"""What the lab prints beyond ASCII, for a terminal that cannot show it."""
_PLAINER_ERRORS: Final = "lab-plainer"


class OutputClosedError(SystemExit):
    """Nobody reads the output any more. As with Ctrl-C, everything that was started is stopped on the way out."""

    def __init__(self) -> None:
        super().__init__(OUTPUT_CLOSED)


class Terminal(Console):
    """A console that text cannot control, and that ends the program when its reader has gone."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's; what the text says is made inert, what rich itself adds is not."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(inert(segment.text, keep="\n"), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Called by rich."""
        _output_closed()


def prepare() -> None:
    """Make standard output and error fit for all that the lab prints."""
    codecs.register_error(_PLAINER_ERRORS, _plainer)
    sys.stdout = _usable(sys.stdout)
    sys.stderr = _usable(sys.stderr)


def write(text: str) -> None:
    """Print a document for a program, unchanged and at once. Raise OSError when it cannot be (disk full)."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _output_closed()


def complain(text: str) -> None:
    """Print lines for people to standard error; where that is not possible, nobody can be told."""
    with contextlib.suppress(OSError):
        sys.stderr.write(inert(text, keep="\n"))
        sys.stderr.flush()


def finish() -> None:
    """Hand on what is still buffered. Raise OSError (disk full), OutputClosedError."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _output_closed()
    except OSError:
        _discard(sys.stdout)
        raise


def _output_closed() -> NoReturn:
    _discard(sys.stdout)
    _discard(sys.stderr)
    raise OutputClosedError


def _discard(stream: TextIO) -> None:
    """Whatever is written from now on, and what the interpreter flushes when it ends, goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)


def _usable(stream: TextIO | None) -> TextIO:
    """None is what Python makes of a descriptor that was closed before it started."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:  # a test's own stream has none
        reconfigure(errors=_PLAINER_ERRORS)
    return stream


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """An error handler of `codecs`: what the encoding lacks is written in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAINER.get(each) or _escaped(each) for each in lacking), error.end


def _escaped(each: str) -> str:
    """A letter loses less as `?`, half a surrogate pair (a byte of a file name) as its number."""
    return "?" if each.isprintable() else each.encode("unicode_escape").decode("ascii")
