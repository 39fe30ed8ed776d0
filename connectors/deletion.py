"""Delete the parts of a published post, last part first, so that an interruption leaves the post itself visible.

Deleting is safe to repeat: a part that the platform no longer has counts as deleted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from connectors.errors import ConnectorError, ContentRejectedError, GiveUpError

Gone = Callable[[ConnectorError], bool]


def list_part_ids(external_id: str, state: Mapping[str, Any]) -> list[str]:
    """Return the ids of a publication's parts, the post first. `state`: as its connector saved it."""
    ids = [str(part["id"]) for part in state.get("sent_parts") or ()]
    return list(dict.fromkeys([external_id, *ids]))


def is_not_found(error: ConnectorError) -> bool:
    """Return whether the platform answered that there is no such post."""
    return error.status in {404, 410}


async def delete_parts(
    ids: Sequence[str], delete: Callable[[str], Awaitable[object]], *, gone: Gone = is_not_found
) -> None:
    """Delete each part. Raises the platform's error unless it means that the part is gone already."""
    for part_id in reversed(ids):
        try:
            await delete(part_id)
        except (ContentRejectedError, GiveUpError) as error:
            if not gone(error):
                raise


def ignore(_body: Any) -> None:  # noqa: ANN401 - JSON
    """Accept any answer to a deletion."""
