"""A server with the API of the simulated X: posts by id for the connector, and paginated for others.

Usage: python ingest_source.py PORT PUBLICATIONS. Counters are derived from the post's number and the round
only.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import orjson
import uvicorn

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PAGE = 100


def post(number: int, turn: int) -> dict[str, object]:
    """One post in X's format in the given round."""
    likes = number % 97 * (turn + 1)
    return {
        "id": str(number),
        "turn": turn,
        "public_metrics": {
            "impression_count": 40 * likes + turn,
            "like_count": likes,
            "reply_count": likes // 7,
            "retweet_count": likes // 5,
            "quote_count": likes // 50,
            "bookmark_count": likes // 9,
        },
    }


class Source:
    """The ASGI application."""

    def __init__(self, publications: int) -> None:
        self.publications = publications
        self.turn = 0

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        body: dict[str, object]
        if scope["path"] == "/turn":
            self.turn, body = int(query["turn"]), {}
        elif scope["path"] == "/page":  # page by page, one round after the other
            first = (int(query["page"]) - 1) * PAGE
            rows = range(first, first + PAGE)
            body = {"data": [post(row % self.publications, row // self.publications) for row in rows]}
        else:
            body = {"data": [post(int(number), self.turn) for number in query["ids"].split(",")]}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps(body)})


if __name__ == "__main__":
    uvicorn.run(Source(int(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
