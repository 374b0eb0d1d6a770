"""Routes under `/monkeys`: plan, start, show and stop monkeys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from ..monkey.monkey_orders import MonkeyBody, Plan
from ..monkey.monkey_runner import Monkey, MonkeyRunner
from .responses import problems


class Monkeys(BaseModel):
    """Response of `GET /monkeys`."""

    monkeys: list[Monkey]


def add_monkeys(app: APIRouter, runner: MonkeyRunner) -> None:
    """Add the routes."""

    @app.post(
        "/monkeys",
        tags=["monkeys"],
        status_code=201,
        responses={200: {"model": Plan, "description": "Dry run: the plan."}, **problems(400, 404, 409, 422, 503)},
    )
    async def start(
        body: MonkeyBody,
        response: Response,
        dry_run: Annotated[bool, Query(description="Return the plan and do nothing.")] = False,
    ) -> Monkey | Plan:
        """Start random faults from a seed, or carry out a plan that a dry run returned. One monkey runs at a time."""
        if dry_run:
            response.status_code = 200
            return await runner.plan(body)
        return await runner.start(body)

    @app.get("/monkeys", tags=["monkeys"])
    async def monkeys() -> Monkeys:
        return Monkeys(monkeys=runner.monkeys())

    @app.get("/monkeys/{monkey_id}", tags=["monkeys"], responses=problems(404, 422))
    async def monkey(monkey_id: str) -> Monkey:
        return runner.monkey(monkey_id)

    @app.delete("/monkeys/{monkey_id}", tags=["monkeys"], responses=problems(404, 422))
    async def stop(monkey_id: str) -> Monkey:
        """Stop the monkey and return when its faults are healed. A monkey that has ended is returned unchanged."""
        return await runner.stop(monkey_id)
