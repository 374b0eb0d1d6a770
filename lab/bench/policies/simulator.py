"""Runs the simulator as a child process: `lab` and `lb` share no code, so it reads the JSON that `lb` prints."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from threading import Lock
from types import TracebackType
from typing import Any, Self

from ...errors import BadArgumentsError, EnvironmentProblemError
from ...processes.child_environment import child_environment
from ...processes.launch import words
from .bench_record import DOCUMENT, Document

_BAD_ARGUMENTS = 2


class Simulator:
    """Runs simulations, several at a time if called from several threads. Leaving the context ends all of them."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _where: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End all simulations; further ones are refused."""
        with self._lock:
            self._closed = True
            for child in self._running:
                child.terminate()

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of its scenarios and policies."""
        listed: dict[str, Any] = json.loads(next(self._lines("list")))
        return listed["scenarios"], listed["policies"]

    def documents(self, *arguments: str) -> Iterator[Document]:
        """Yield the documents of one run as they arrive. Raise `BadArgumentsError` and `EnvironmentProblemError`."""
        for line in self._lines(*arguments):
            yield DOCUMENT.validate_json(line)

    def _lines(self, *arguments: str) -> Iterator[str]:
        child = self._start(*arguments)
        try:
            with child:
                assert child.stdout is not None and child.stderr is not None  # noqa: PT018 - both are pipes
                yield from child.stdout
                message = child.stderr.read().strip()
            if child.returncode and not self._closed:
                self._raise_error(child.returncode, message)
        finally:
            with self._lock:
                self._running.discard(child)
            if child.poll() is None:
                child.terminate()

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        command = words("lb.simulate", *arguments)
        with self._lock:
            if self._closed:
                raise EnvironmentProblemError("the simulator has been stopped")
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=child_environment()
            )
            self._running.add(child)
            return child

    @staticmethod
    def _raise_error(code: int, message: str) -> None:
        last = message.splitlines()[-1] if message else f"exit code {code}"
        if code == _BAD_ARGUMENTS:
            raise BadArgumentsError(last.partition("error: ")[2] or last, "lab bench policies --help")
        raise EnvironmentProblemError(
            f"the simulator failed: {last}", "python -m lb.simulate list", tuple(message.splitlines()[-8:])
        )
