"""Standard output and standard error, even with another encoding, a closed pipe, or a full disk."""

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
"""Exit code after the reader of a pipe has closed it (`lab run kill | head -1`): 128 + SIGPIPE, as in shells."""
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
"""ASCII replacements of all other characters that the lab prints, for terminals that cannot show them."""
_PLAINER_ERRORS: Final = "lab-plainer"


class OutputClosedError(SystemExit):
    """The reader has closed the output. As with Ctrl-C, everything that was started is stopped before exit."""

    def __init__(self) -> None:
        super().__init__(OUTPUT_CLOSED)


class Terminal(Console):
    """A console whose output is inert (`lab.output.inert`), and which ends the program if the output is closed."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, but make all text inert; keep rich's own control codes."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(inert(segment.text, keep="\n"), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Raise OutputClosedError. Rich calls this method."""
        _output_closed()


def prepare() -> None:
    """Make sure that standard output and error accept every character that the lab prints."""
    codecs.register_error(_PLAINER_ERRORS, _plainer)
    sys.stdout = _usable(sys.stdout)
    sys.stderr = _usable(sys.stderr)


def write(text: str) -> None:
    """Print a document for another program, unchanged, and flush. Raise OSError (disk full), OutputClosedError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _output_closed()


def complain(text: str) -> None:
    """Print lines for people to standard error. Ignore errors, because they could not be reported."""
    with contextlib.suppress(OSError):
        sys.stderr.write(inert(text, keep="\n"))
        sys.stderr.flush()


def finish() -> None:
    """Flush standard output. Raise OSError (disk full), OutputClosedError."""
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
    """Redirect the stream to /dev/null, including what the interpreter flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)


def _usable(stream: TextIO | None) -> TextIO:
    """Return a stream that can be written to. `stream` is None if its descriptor was closed before Python started."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:  # streams of tests do not have it
        reconfigure(errors=_PLAINER_ERRORS)
    return stream


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that the encoding does not have by ASCII. This is an error handler for `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAINER.get(each) or _escaped(each) for each in lacking), error.end


def _escaped(each: str) -> str:
    """Return `?` for a printable character, and the escaped number for others, such as a byte of a file name."""
    return "?" if each.isprintable() else each.encode("unicode_escape").decode("ascii")
