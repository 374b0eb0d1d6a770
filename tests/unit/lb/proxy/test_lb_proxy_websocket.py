"""Where WebSocket frames end, whatever the segments that they arrive in."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from lb.proxy.websocket import Frames, close_frame


def serialized(size: int, *, masked: bool) -> bytes:
    return Frame(Opcode.BINARY, os.urandom(size)).serialize(mask=masked)


@given(
    sizes=st.lists(st.sampled_from([0, 1, 125, 126, 127, 65535, 65536, 70000]), max_size=5),
    masked=st.booleans(),
    cuts=st.lists(st.integers(1, 70_000), max_size=20),
)
def test_a_boundary_is_seen_exactly_where_a_frame_ends(sizes: list[int], masked: bool, cuts: list[int]) -> None:
    frames = [serialized(size, masked=masked) for size in sizes]
    ends = {0}
    for frame in frames:
        ends.add(max(ends) + len(frame))
    stream = io.BytesIO(b"".join(frames))

    followed, passed = Frames(), 0
    for cut in [*cuts, 1 << 20]:
        passed += len(piece := stream.read(cut))
        followed.feed(piece)
        assert followed.at_boundary == (passed in ends)


@pytest.mark.parametrize("masked", [False, True])
def test_the_close_frame_is_one_that_a_library_reads_as_going_away(masked: bool) -> None:
    receiver = Protocol(Side.SERVER if masked else Side.CLIENT)
    receiver.receive_data(close_frame(masked=masked))
    assert receiver.close_rcvd is not None
    assert receiver.close_rcvd.code == 1001
