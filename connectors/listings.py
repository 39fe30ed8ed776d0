"""Read the items and pages of a platform's list; a history leaves out what cannot be read, a look-up never does."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from connectors.http.client import SHAPE_ERRORS
from connectors.http.messages import shorten
from connectors.types import HistoryPage, ListedPost

T = TypeVar("T")
_SHOWN = 80


def read_items(items: Iterable[Any], parse: Callable[[Any], T], odd: list[str] | None) -> list[T]:
    """Parse every item in order.

    With `odd`, an item that cannot be parsed is described there and left out. Without it, the parser's error is
    raised: to a look-up, an item that cannot be read may be the post that it searches for.
    """
    read: list[T] = []
    for item in items:
        try:
            read.append(parse(item))
        except SHAPE_ERRORS as error:
            if odd is None:
                raise
            odd.append(_describe(item, error))
    return read


def page_since(
    posts: Sequence[ListedPost], since: datetime, following: str | None, odd: Iterable[str]
) -> HistoryPage:
    """Return a page of a list, newest first, without its posts before `since`; with such posts it is the last."""
    if posts and posts[-1].published_at < since:
        following = None
    return HistoryPage(tuple(post for post in posts if post.published_at >= since), following, tuple(odd))


def read_id(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return an id of a platform. Raises TypeError if it is neither a text nor a number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TypeError("an id is neither a text nor a number")
    return str(value)


def _describe(item: Any, error: Exception) -> str:  # noqa: ANN401 - JSON
    name = item.get("id") if isinstance(item, dict) else item
    missing = f" {error.args[0]!r:.40}" if isinstance(error, KeyError) and error.args else ""
    return shorten(
        f"an item of the list ({name!r:.{_SHOWN}}) cannot be read: {type(error).__name__}{missing}"
    )
