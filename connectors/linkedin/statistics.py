"""Metrics of LinkedIn posts: in batches for a page, metric by metric for a member.

Sources: learn.microsoft.com/linkedin, "Organization Share Statistics" (li-lms-2025-11; lifetime counters,
organic only, of the last 12 months) and "Member Post Statistics" (li-lms-2026-03, scope
r_member_postAnalytics). The maximum number of posts per request is not documented.
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from connectors.content.batches import split_batches
from connectors.errors import GiveUpError
from connectors.http.client import PlatformApi
from connectors.linkedin.responses import DENIED, MEMBER_COUNTS, parse_count, parse_statistics
from connectors.types import PostMetrics

_UGC_POST = "urn:li:ugcPost:"


async def fetch_page_statistics(
    api: PlatformApi, page: str, urns: Sequence[str], *, batch: int, captured_at: datetime
) -> list[PostMetrics]:
    """Read the metrics of a page's posts; LinkedIn omits posts without any."""
    owner = quote(page, safe="")
    path = f"/rest/organizationalEntityShareStatistics?q=organizationalEntity&organizationalEntity={owner}"
    shares = [urn for urn in urns if not urn.startswith(_UGC_POST)]
    others = [urn for urn in urns if urn.startswith(_UGC_POST)]
    metrics: list[PostMetrics] = []
    for name, group in (("shares", shares), ("ugcPosts", others)):
        for some in split_batches(group, batch):
            named = ",".join(quote(urn, safe="") for urn in some)
            metrics += await api.read(
                f"{path}&{name}=List({named})", lambda body: parse_statistics(body, captured_at)
            )
    return [item for item in metrics if item.external_id in urns]


async def fetch_member_statistics(
    api: PlatformApi, urn: str, refused: set[str], *, captured_at: datetime
) -> PostMetrics | None:
    """Read a member's post, one request per metric; None if LinkedIn has no data on it: it may be gone.

    A metric that the app may not read, or that this version does not know, stays None and is added to
    `refused`.
    """
    entity = f"({'ugc' if urn.startswith(_UGC_POST) else 'share'}:{quote(urn, safe='')})"
    path = f"/rest/memberCreatorPostAnalytics?q=entity&entity={entity}&aggregation=TOTAL"
    counts: dict[str, int | None] = {}
    for name in MEMBER_COUNTS:
        if name in refused:
            continue
        try:
            counts[name] = await api.read(f"{path}&queryType={name}", parse_count)
        except GiveUpError as error:
            if error.status not in {400, 403}:
                return None
            refused |= set(MEMBER_COUNTS) if error.platform_code == DENIED else {name}
    if counts and all(value is None for value in counts.values()):
        return None
    columns = {column: counts.get(name) for name, column in MEMBER_COUNTS.items()}
    return PostMetrics(urn, captured_at, raw=counts, promoted=None, **columns)
