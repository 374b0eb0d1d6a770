"""`python -m chaos`: composition root. Reads the environment, wires, serves; on SIGTERM heals everything and ends."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from chaos.auth import load_token
from chaos.engine import Engine
from chaos.events import EventLog
from chaos.journal import Journal
from chaos.keeper import Keeper
from chaos.lease import Lease
from chaos.runtimes import open_runtime
from chaos.service import create_app
from chaos.settings import Settings, SettingsError

log = logging.getLogger("chaos")

GRACE_S = 1
"""For requests under way at SIGTERM; healing follows and has its own deadline."""
BAD_ENVIRONMENT = 255


class _Server(uvicorn.Server):
    """Ends event streams at once when told to stop: they would use up the grace otherwise. And keeps the signal to
    itself: uvicorn's own handler raises it again after serving, which would kill us before the heal."""

    def __init__(self, config: uvicorn.Config, events: EventLog) -> None:
        super().__init__(config)
        self._events = events

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True
        self._events.close()


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    token = settings.token or _own_token(settings.state_dir)
    runtime = open_runtime(settings)
    events, lease = EventLog(), Lease(settings.state_dir)
    engine = Engine(runtime, Journal(settings.state_dir), events, settings.max_duration)
    config = uvicorn.Config(
        create_app(engine, runtime, events, token),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
    )
    await engine.start()
    keeper = asyncio.ensure_future(Keeper(runtime, engine, events, lease, settings.revive_after).run())
    server = _Server(config, events)
    keeper.add_done_callback(lambda _: server.handle_exit(0, None))  # without a keeper, better none at all
    try:
        await server.serve()
    finally:
        keeper.cancel()
        (failure,) = await asyncio.gather(keeper, return_exceptions=True)
        await engine.stop()
        await runtime.close()
    if isinstance(failure, Exception):
        raise failure


def _own_token(state_dir: Path) -> str:
    token, is_new = load_token(state_dir)
    if is_new:
        log.warning("token (shown once, kept in %s): %s", state_dir / "token", token)
    return token


def main() -> int:
    """Entry point. Exit 255 on a wrong environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(f"chaos: {error}", file=sys.stderr)  # noqa: T201 - a command's error message
        return BAD_ENVIRONMENT
    try:
        asyncio.run(serve(settings))
    except OSError as error:
        print(f"chaos: {error}", file=sys.stderr)  # noqa: T201 - a command's error message
        return BAD_ENVIRONMENT
    return 0


if __name__ == "__main__":
    sys.exit(main())
