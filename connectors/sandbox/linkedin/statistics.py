"""Simulated LinkedIn: statistics of a page's and a member's posts, and follower counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.linkedin.protocol import denied, is_page, not_found, refuse
from connectors.sandbox.wire import Answer, Call
from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.world import SandboxWorld

_QUERY_TYPES: Final = ("IMPRESSION", "MEMBERS_REACHED", "REACTION", "COMMENT", "RESHARE", "POST_SAVE")


class LinkedInNumbers:
    """LinkedIn's statistics endpoints for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world

    def page_statistics(self, call: Call) -> Answer:
        """GET /rest/organizationalEntityShareStatistics: posts without statistics are omitted."""
        query = call.query
        if query.get("organizationalEntity") != call.owner.external_id or not is_page(call.owner):
            return denied("organizationalEntityShareStatistics.FINDER-organizationalEntity")
        name = "ugcPosts" if "ugcPosts" in query else "shares"
        if f"{name}=List(urn%3Ali%3A" not in call.request.url.query:
            return refuse(400, "ILLEGAL_ARGUMENT", f"{name} must be a List(..) of encoded URNs")
        urns = query[name].removeprefix("List(").removesuffix(")").split(",")
        elements = []
        for urn in urns if call.page_fault != "empty_page" else ():
            post = self._world.find_post(Platform.LINKEDIN, urn, call.owner)
            if post is not None:
                now = self._world.counters(post, call.at)
                counts = {
                    "impressionCount": now.impressions,
                    "uniqueImpressionsCount": now.reach,
                    "likeCount": now.likes,
                    "commentCount": now.comments,
                    "shareCount": now.reposts,
                    "clickCount": now.clicks,
                    "engagement": round(now.engagement / max(1, now.impressions), 6),
                }
                elements.append(
                    {
                        "organizationalEntity": call.owner.external_id,
                        name.removesuffix("s"): urn,
                        "totalShareStatistics": counts,
                    }
                )
        return Answer({"paging": {"start": 0, "count": 10, "links": []}, "elements": elements})

    def member_statistics(self, call: Call) -> Answer:
        """GET /rest/memberCreatorPostAnalytics?q=entity: one metric of one post."""
        if is_page(call.owner) or not self._world.settings.linkedin_member_statistics:
            return denied("memberCreatorPostAnalytics.FINDER-entity")
        kind, _, urn = call.query.get("entity", "").removeprefix("(").removesuffix(")").partition(":")
        name = call.query.get("queryType", "")
        if kind not in {"share", "ugc"} or f"({kind}:urn%3Ali%3A" not in call.request.url.query:
            return refuse(
                400, "ILLEGAL_ARGUMENT", "entity must be (share:..) or (ugc:..) with an encoded URN"
            )
        if name not in _QUERY_TYPES:
            return refuse(400, "ILLEGAL_ARGUMENT", f"queryType must be one of {', '.join(_QUERY_TYPES)}")
        post = self._world.find_post(Platform.LINKEDIN, urn, call.owner)
        if post is None or call.page_fault == "empty_page":
            return Answer({"paging": {"start": 0, "count": 10, "links": []}, "elements": []})
        now = self._world.counters(post, call.at)
        counts = (now.impressions, now.reach, now.likes, now.comments, now.reposts, now.saves)
        element = {"targetEntity": {kind: urn}, "count": dict(zip(_QUERY_TYPES, counts, strict=True))[name]}
        return Answer({"paging": {"start": 0, "count": 10, "links": [], "total": 1}, "elements": [element]})

    def page_followers(self, call: Call) -> Answer:
        """GET /rest/networkSizes/{organization}."""
        if call.query.get("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER":
            return refuse(400, "ILLEGAL_ARGUMENT", "edgeType must be COMPANY_FOLLOWED_BY_MEMBER")
        page = self._world.find_account(Platform.LINKEDIN, call.path["urn"])
        return (
            not_found("The organization")
            if page is None
            else Answer({"firstDegreeSize": page.followers(call.at)})
        )

    def member_followers(self, call: Call) -> Answer:
        """GET /rest/memberFollowersCount?q=me."""
        if is_page(call.owner) or not self._world.settings.linkedin_member_statistics:
            return denied("memberFollowersCount.FINDER-me")
        return Answer({"elements": [{"memberFollowersCount": call.owner.followers(call.at)}]})
