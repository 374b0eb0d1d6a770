from __future__ import annotations

import pytest

from lab.runtime.supervisor_handshake import Failed, Message, Notice, Ready, decode, encode

MESSAGES: list[Message] = [
    Notice("port 8080 is in use: taking 20001 instead"),
    Ready("http://a", "http://b", "http://c", "token", "http://d", "token", 42),
    Failed("lb exited with code 1", "read lb.log"),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_what_is_said_is_what_is_heard(message: Message) -> None:
    line = encode(message)
    assert line.count("\n") == 1
    heard = decode(line)
    assert type(heard) is type(message)
    assert encode(heard) == line


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"kind": "other"}', '{"kind": "ready"}', "Traceback (most recent"])
def test_anything_else_is_no_message(line: str) -> None:
    with pytest.raises(ValueError, match="not a message"):
        decode(line)
