"""Suggestions and scores without a server, for `socialflow times`.

A process of its own, since the command's room does not import this one. Prints the answer that the route would give.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from api.serve import create_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question about the first workspace; 0 = answered, 2 = it cannot be (one sentence on stderr)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("question", choices=("suggest", "score"))
    parser.add_argument(
        "fields", help="JSON: the body of POST /schedules/suggest, or the query of GET .../score"
    )
    asked = parser.parse_args(arguments)
    app = create_app()
    from pydantic import ValidationError  # noqa: PLC0415 (after create_app has set up what may be imported)

    from api.http.errors import ApiError, explain  # noqa: PLC0415 (same)
    from warehouse.errors import WarehouseError  # noqa: PLC0415 (same)

    async def ask() -> BaseModel:
        async with app.router.lifespan_context(app):
            return _answer(app.state.services, asked.question, json.loads(asked.fields))

    try:
        answer = asyncio.run(ask())
    except (ApiError, WarehouseError, ValidationError) as error:
        sys.stderr.write(f"{explain(error).detail}\n")
        return 2
    sys.stdout.write(answer.model_dump_json(by_alias=True) + "\n")
    return 0


def _answer(services: Any, question: str, fields: dict[str, Any]) -> BaseModel:  # noqa: ANN401 (Services, see main)
    from api.http.callers import Caller  # noqa: PLC0415 (see main)
    from api.optimal_times.schemas import SuggestRequest  # noqa: PLC0415 (same)
    from api.optimal_times.scores import score_time  # noqa: PLC0415 (same)
    from api.optimal_times.suggestions import suggest  # noqa: PLC0415 (same)
    from api.posts.requests import parse_platform  # noqa: PLC0415 (same)
    from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID  # noqa: PLC0415 (same)

    caller = Caller("cli", DEFAULT_WORKSPACE_ID, frozenset({"read"}))
    if question == "suggest":
        with services.store.read() as session:
            return suggest(services, caller, SuggestRequest.model_validate(fields), session)
    platform = fields.get("platform")
    return score_time(
        services,
        caller,
        at=fields.get("at"),
        platform=parse_platform(platform) if platform else None,
        account_id=fields.get("account_id"),
        timezone=fields.get("timezone"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
