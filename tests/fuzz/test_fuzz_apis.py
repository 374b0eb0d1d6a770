"""No call of any HTTP API of the project, however odd, is answered with a server error, an error that is no JSON of the
documented shape, or not at all; and the process lives on.

Each API is the real application behind its real server protocol, without sockets. Calls are drawn from what the API
publishes (its OpenAPI document or its routes), so a new route is called without anybody thinking of it.
"""

from __future__ import annotations

import asyncio
import collections
import random
from pathlib import Path

import pytest

from tests.support.fuzzed_apis import APIS, answer, lives

CALLS = {False: 250, True: 6_000}
"""Of each API and seed."""
ROUND = 1_000
"""Calls on one state; then the API starts anew, or it would be full of what was accepted."""
FIXED_SEED = 13


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("opened", APIS, ids=lambda each: each.__name__)
async def test_no_call_is_answered_with_a_server_error(
    opened: object, soak: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems: list[str] = []
    statuses: collections.Counter[int] = collections.Counter()
    drawn = random.SystemRandom().randrange(2**32)
    print(f"seeds {FIXED_SEED}, {drawn}")  # noqa: T201
    raised: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(repr(context)))
    for seed in (FIXED_SEED, drawn):
        for start in range(0, CALLS[soak], ROUND):
            folder = tmp_path / f"{seed}-{start}"
            folder.mkdir()
            async with opened(folder, monkeypatch) as api:  # type: ignore[operator]
                caller = api.caller(seed + start)
                for _ in range(min(ROUND, CALLS[soak] - start)):
                    call = caller.call()
                    got = await answer(api, call)
                    statuses[got.status] += 1
                    if problem := got.problem(api, call):
                        sent = b"".join(call.segments)[:1500]
                        problems.append(f"{call.operation.method} {call.operation.path}: {problem[:600]}\n  {sent!r}")
                assert await lives(api)
    print(f"{sum(statuses.values())} calls: {sorted(statuses.items())}")  # noqa: T201
    assert not problems, f"{len(problems)} of seeds {FIXED_SEED}, {drawn}:\n" + "\n".join(problems[:20])
    assert not raised, raised[:5]
    assert {each for each in statuses if 200 <= each < 300}, "some calls got through"
    assert {400, 404, 405} <= set(statuses), "and some did not"
