"""The report on experiments, as the API gives it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.api.harness import NOON
from warehouse.lake.load import load_publications
from warehouse.lake.rows import PublicationDim

if TYPE_CHECKING:
    from tests.api.harness import Tenant

LIFT = "/api/v1/analytics/timing-lift"


def test_without_an_experiment_the_answer_is_null_and_says_what_to_do(tenant: Tenant) -> None:
    answer = tenant.client.get(LIFT)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["age"], told["lift_pct"], told["interval_80"], told["interval_95"]) == (
        "24h",
        None,
        None,
        None,
    )
    assert "random_share" in told["reason"]
    assert told["verdict"] == told["reason"]
    assert "random draw" in told["definitions"]["left_out"]


def test_the_answer_is_kept_until_the_lake_changes(tenant: Tenant) -> None:
    first = tenant.client.get(LIFT, params={"platform": "x"})
    known = {"If-None-Match": first.headers["etag"]}
    assert tenant.client.get(LIFT, params={"platform": "x"}, headers=known).status_code == 304
    assert tenant.client.get(LIFT, params={"platform": "mastodon"}, headers=known).status_code == 200
    row = PublicationDim(
        publication_id=f"pub_{tenant.workspace_id}",
        post_id=f"post_{tenant.workspace_id}",
        workspace_id=tenant.workspace_id,
        account_id=tenant.accounts["twitter-user"],
        platform="twitter",
        origin="socialflow",
        kind="text",
        published_at=NOON - timedelta(days=3),
        placement="random",
        placement_share=0.2,
    )
    load_publications(tenant.server.services.lake, [row])
    again = tenant.client.get(LIFT, params={"platform": "x"}, headers=known)
    assert again.status_code == 200
    assert again.json()["reason"].startswith("Too few posts measured at 24h")


@pytest.mark.parametrize("params", [{"age": "2h"}, {"platform": "myspace"}])
def test_wrong_questions(tenant: Tenant, params: dict[str, str]) -> None:
    assert tenant.client.get(LIFT, params=params).status_code == 422
