"""Language and tags of imported posts come from columns that say so, and from nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from warehouse.lake.import_.details import Details, read_details


@pytest.mark.parametrize(
    ("payload", "language", "tags"),
    [
        ({"lang": "en", "source": "web"}, "en", None),
        ({"Language": "pt-BR", "Tags": "spring, launch;  tea |"}, "pt-BR", ["spring", "launch", "tea"]),
        ({"record": '{"langs": ["de", "en"]}'}, "de", None),
        ({"lang": "und", "Label(s)": ""}, None, None),
        ({"lang": "qme"}, None, None),
        ({"language": "German, I think", "labels": ["a", 7, " "]}, None, ["a"]),
        ({"record": "{broken, lang"}, None, None),
        ({"slang": "en", "tagline": "x", "record": "no object, but lang"}, None, None),
    ],
)
def test_what_a_row_says(payload: dict[str, Any], language: str | None, tags: list[str] | None) -> None:
    (found, nothing) = read_details([json.dumps(payload), None])
    assert found == Details(language, tags)
    assert nothing == Details()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("yes", True), ("TRUE", True), (1, True), ("no", False), ("0", False), ("maybe", None)],
)
def test_promotion_is_what_the_file_says(cell: object, expected: object) -> None:
    (details,) = read_details([json.dumps({"Paid": cell})])
    assert details.paid is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"Paid reach": "1,204"}, True),
        ({"Lifetime Post Paid Impressions": 12}, True),
        ({"post_impressions_paid": "0"}, None),
        ({"Impressions (sponsored)": "12.5"}, True),
        ({"promoted engagements": "-"}, None),
        ({"Reach from Boosted posts": "0.0"}, None),
        ({"Boosted": "no", "Boosted reach": "9"}, False),
        ({"is_promoted": "true"}, True),
        ({"has_been_promoted": True}, True),
        ({"Paid partnership": "yes"}, None),
        ({"Unpaid reach": "7"}, None),
        ({"Ad impressions": "7", "text": "paid"}, None),
        ({"Paid impressions": None}, None),
        ({"Paid reach rate": "0.3 %", "promoted": ""}, True),
        ({"Bezahlte Reichweite": "1.204"}, True),
        ({"Alcance pagado": "31"}, True),
        ({"Impressions sponsoris\u00e9es": "7"}, True),
        ({"Alcance pago": "0"}, None),
        ({"Copertura a pagamento": "12"}, True),
        ({"Betaald bereik": "9"}, True),
        ({"Beworben": "ja"}, True),
        ({"Boost\u00e9": "oui"}, True),
        ({"Amount spent (USD)": "$12.50"}, True),
        ({"Ausgegebener Betrag (EUR)": "0,00"}, None),
        ({"Average time spent (seconds)": "31"}, None),
        ({"Boost status": "Completed"}, True),
        ({"Promotion status": "rejected"}, None),
        ({"Boost status": "Not boosted"}, None),
        ({"Post type": "Sponsored"}, True),
        ({"Post type": "Organic"}, None),
        ({"Post type": "Paid partnership post"}, None),
        ({"Type": "Sponsored content"}, True),
    ],
)
def test_paid_counts_mark_a_promoted_post(payload: dict[str, Any], expected: object) -> None:
    (details,) = read_details([json.dumps(payload)])
    assert details.paid is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"deleted": "yes"}, True),
        ({"Deleted": "no", "Status": "published"}, None),
        ({"is_deleted": True}, True),
        ({"deleted_at": "2026-03-01T10:00:00Z"}, True),
        ({"deleted_at": None}, None),
        ({"deleted": "2026-03-01"}, True),
        ({"Status": "Removed"}, True),
        ({"Post status": "archived"}, True),
        ({"archived": "true"}, True),
        ({"Gel\u00f6scht": "ja"}, True),
        ({"Gel\u00f6scht am": "01.03.2026"}, True),
        ({"Estado": "Eliminado"}, True),
        ({"Statut": "Supprim\u00e9"}, True),
        ({"Verwijderd": "nee"}, None),
        ({"Removed followers": "7"}, None),
        ({"Archive status": "deleted scenes"}, None),
        ({"text": "deleted", "Deleted scenes": "yes"}, None),
    ],
)
def test_deletion_is_what_the_file_says(payload: dict[str, Any], expected: object) -> None:
    (details,) = read_details([json.dumps(payload)])
    assert details.deleted is expected
