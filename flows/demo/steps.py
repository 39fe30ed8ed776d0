"""Steps of the demo against simulated platforms; the launcher starts it as `flows.demo.steps`.

    key -> four accounts connected -> half a year of history read -> best times -> overview
        -> posts scheduled -> published -> measured -> compared with the platforms' own record

It is a separate process, so that its memory is freed when the demo is done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import textwrap
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.demo.clients import Servers
from flows.errors import DemoError, FlowError
from flows.ingestion.followers import read_due_followers
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.resources import Resources, open_resources
from flows.settings import FlowSettings
from flows.timing.refresh import compute_all_optimal_times
from warehouse.errors import WarehouseError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import SCOPES, create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace

PLATFORMS = ("twitter", "instagram", "mastodon", "bluesky")
FIRST_DELAY = timedelta(seconds=4)
SPACING = timedelta(seconds=2)
SENT_WITHIN = 45.0
"""Seconds after the last due time within which the demo's posts must be published."""
AHEAD = timedelta(minutes=20)
"""The first snapshot is due at an age of 15 minutes; the demo does not wait for it."""

_NOW = (
    ("text", "Good morning from the harbour: the first tea of the season is in."),
    ("image", "Unpacking the new leaves. Can you smell it through the screen?"),
    ("text", "Ask us anything about brewing temperatures, we are around until noon."),
    ("image", "Our smallest teapot holds exactly one cup. A short love story."),
    ("text", "Reminder: the tasting on Saturday has three places left."),
    ("text", "That was quick: two places left."),
)
_LATER = (
    (1, "An hour of calm: what we are listening to in the shop today."),
    (3, "Lunch break reading: how oolong got its name."),
    (6, "Behind the counter: Ada weighs, Bo tells stories."),
    (9, "Closing time. Tomorrow we try the smoked one again."),
)


@dataclass(slots=True)
class Shown:
    """Results of the demo, for the JSON object at the end."""

    scheduled: dict[str, datetime] = field(default_factory=dict)
    """Text of each post due within seconds -> its time."""
    publications: int = 0
    """Number of publications of those posts."""
    later: int = 0
    history_posts: int = 0
    snapshots: int = 0
    overview: dict[str, Any] = field(default_factory=dict)
    optimal_times: dict[str, Any] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    """The sandbox's record of published posts."""

    def summarise(self, seconds: float) -> dict[str, Any]:
        """Return the result. `problems` is empty only if every step succeeded."""
        copies = Counter((post["platform"], post["account_id"], post["text"]) for post in self.sent)
        lateness = sorted(
            (datetime.fromisoformat(post["created_at"]) - self.scheduled[post["text"]]).total_seconds()
            for post in self.sent
            if post["text"] in self.scheduled
        )
        published = sum(1 for _platform, _account, text in copies if text in self.scheduled)
        result: dict[str, Any] = {
            "scheduled": self.publications,
            "published": published,
            "duplicates": sum(count - 1 for count in copies.values()),
            "lateness_p95_s": lateness[min(len(lateness) - 1, int(0.95 * len(lateness)))]
            if lateness
            else None,
            "lateness_max_s": lateness[-1] if lateness else None,
            "scheduled_for_later": self.later,
            "history_posts": self.history_posts,
            "snapshots": self.snapshots,
            "overview": self.overview,
            "optimal_times": self.optimal_times,
            "seconds": round(seconds, 1),
        }
        result["problems"] = list(_find_problems(result))
        return result


def _find_problems(result: dict[str, Any]) -> list[str]:
    checks = {
        f"{result['published']} of {result['scheduled']} publications were published": (
            result["published"] == result["scheduled"] > 0
        ),
        f"{result['duplicates']} posts were published twice": result["duplicates"] == 0,
        "no snapshot is in the lake": result["snapshots"] > 0,
        "the overview is empty": bool(result["overview"].get("total_posts")),
        "no optimal times were computed": bool(result["optimal_times"].get("data")),
    }
    return [problem for problem, fine in checks.items() if not fine]


class Demo:
    """One run of the demo."""

    def __init__(self, servers: Servers, started: float) -> None:
        self._servers = servers
        self._started = started
        self.shown = Shown()
        self.access: dict[str, str] = {}
        """The created API key and a token for it."""

    def say(self, words: str) -> None:
        """Print a progress message."""
        mark = f"[{time.time() - self._started:5.1f} s] "
        indent = " " * (len(mark) + len(words) - len(words.lstrip()))
        # Whole lines for logs and scripts; in a terminal they would break within words.
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize
        lines = textwrap.wrap(mark + words, width, subsequent_indent=indent, break_on_hyphens=False)
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()

    async def run(self) -> None:
        """Run all steps. Raises DemoError, PartlyFailedError or a warehouse error with what failed."""
        async with open_resources() as (resources, pool):
            await self._connect_accounts(resources)
            history = await read_histories(resources, pool, run_id="demo-history")
            followers = await read_due_followers(resources, pool, run_id="demo-followers")
            for report in (history, followers):
                report.raise_if_failed()
            self.shown.history_posts = history.counts["new_posts"]
            self.say(f"{self.shown.history_posts} posts of the last half year read, with their numbers")
            times = await asyncio.to_thread(compute_all_optimal_times, resources)
            self.say(
                f"best posting times of {times['accounts']} accounts computed from {times['posts']} posts"
            )
            await self._show_overview()
            await self._servers.wait_for_publisher()
            self.say("the publisher is running")
            await self._publish()
            metrics = await read_due_metrics(resources, pool, run_id="demo-metrics", ahead=AHEAD)
            metrics.raise_if_failed()
            # Growth is the difference of two follower counts.
            again = await read_due_followers(resources, pool, run_id="demo-growth", ahead=timedelta(days=2))
            again.raise_if_failed()
            self.say(f"{metrics.counts['snapshots']} fresh snapshots taken")
            count = "SELECT count(*) AS n FROM raw.post_snapshots"
            (row,) = await asyncio.to_thread(resources.lake.query, count)
            self.shown.snapshots = row["n"]
            self.shown.overview = await self._servers.get_overview()
            self.shown.optimal_times = await self._servers.get_optimal_times()
            self.shown.sent = await self._servers.list_sent()

    async def _connect_accounts(self, resources: Resources) -> None:
        self.access = await asyncio.to_thread(_make_key, resources)
        await self._servers.wait_for_api()
        self.access["access_token"] = await self._servers.sign_in(
            self.access["api_key"], self.access["api_secret"]
        )
        for account in await self._servers.list_sandbox_accounts():
            if account["platform"] not in PLATFORMS:
                continue
            connected = await self._servers.connect(account)
            self.say(f"connected {connected['platform']} @{connected['handle']}")

    async def _show_overview(self) -> None:
        overview = await self._servers.get_overview()
        self.say(
            f"the last 30 days: {overview['total_posts']} posts, {overview['total_engagement']} engagements; "
            f"best post {overview['top_performing'][0]['engagement'] if overview['top_performing'] else 0}"
        )
        for advice in (await self._servers.get_optimal_times())["data"][:4]:
            self.say(f"  {advice['platform']}: {advice['sentence']}")

    async def _publish(self) -> None:
        begin = datetime.now(UTC) + FIRST_DELAY
        picture = {"url": f"{FlowSettings().sandbox_url}/_sandbox/media/tea.png", "alt_text": "a cup of tea"}
        post_ids = []
        for index, (kind, text) in enumerate(_NOW):
            at = begin + index * SPACING
            body: dict[str, Any] = {"content": text, "platforms": ["twitter", "mastodon", "bluesky"]}
            if kind == "image":
                body["media"] = [picture]
                body["platforms"].append("instagram")
            post = await self._servers.create_post(body | {"scheduled_at": at.isoformat()})
            post_ids.append(post["id"])
            self.shown.scheduled[text] = at
            self.shown.publications += len(body["platforms"])
        for hours, text in _LATER:
            at = begin + timedelta(hours=hours)
            body = {"content": text, "platforms": ["twitter", "mastodon", "bluesky"]}
            await self._servers.create_post(body | {"scheduled_at": at.isoformat()})
            self.shown.later += len(body["platforms"])
        last = begin + len(_NOW) * SPACING
        self.say(f"{len(_NOW)} posts scheduled for the next seconds, {len(_LATER)} for the next hours")
        await self._wait_until_sent(post_ids, last + timedelta(seconds=SENT_WITHIN))

    async def _wait_until_sent(self, post_ids: list[str], deadline: datetime) -> None:
        waiting = list(post_ids)
        while waiting:
            post = await self._servers.get_post(waiting[0])
            if post["status"] == "published":
                names = ", ".join(item["platform"] for item in post["publications"])
                self.say(f'published on {names}: "{post["content"]}"')
                waiting.pop(0)
            elif post["status"] in {"failed", "partially_published", "canceled"}:
                reasons = "; ".join(item["reason"] for item in post["publications"] if item["reason"])
                raise DemoError(f"a post is {post['status']}: {reasons}")
            elif datetime.now(UTC) > deadline:
                raise DemoError(
                    f"{len(waiting)} posts were not published in time; the first is {post['status']}"
                )
            else:
                await asyncio.sleep(0.3)


def _make_key(resources: Resources) -> dict[str, str]:
    now = datetime.now(UTC)
    with resources.store.write() as session:
        workspace = ensure_default_workspace(session, now)
        made = create_api_key(session, resources.store.cipher, workspace.id, "demo", SCOPES, now)
    return {"api_key": made.api_key, "api_secret": made.api_secret}


async def _show(started: float) -> tuple[dict[str, Any], dict[str, str]]:
    async with Servers(FlowSettings(), WarehouseSettings().home) as servers:
        demo = Demo(servers, started)
        await demo.run()
        result = demo.shown.summarise(time.time() - started)
    return result, demo.access


def main() -> int:
    """Run the demo and write its result as JSON to a file for the launcher. 0 = every step succeeded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--started", type=float, required=True, help="when the demo began, in Unix seconds")
    parser.add_argument("--result", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        result, access = asyncio.run(_show(arguments.started))
    except (FlowError, WarehouseError) as error:
        result, access = {"problems": [str(error)], "seconds": round(time.time() - arguments.started, 1)}, {}
    arguments.result.write_text(json.dumps({"result": result, "access": access}))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
