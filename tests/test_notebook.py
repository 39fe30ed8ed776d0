"""The example notebook runs over a real lake, and draws what the lake holds: blanks where nothing was measured."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from warehouse.lake.connect import Lake
from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings

NOTEBOOK = Path(__file__).parent.parent / "examples" / "engagement.py"
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def fill(settings: WarehouseSettings) -> None:
    """One account: Mondays at 9 earn 30, Tuesdays at 9 earn 10, a Wednesday was not measured."""
    days = [MONDAY, MONDAY + timedelta(days=7), MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)]
    with Lake.open(settings) as lake:
        load_accounts(lake, [AccountDim("acct_a", "ws_1", "mastodon", "harborlight")])
        load_publications(
            lake,
            [
                PublicationDim(f"pub_{n}", f"post_{n}", "ws_1", "acct_a", "mastodon", "external", "text", at)
                for n, at in enumerate(days)
            ],
        )
        load_post_snapshots(
            lake,
            [
                PostSnapshot("ws_1", f"pub_{n}", "acct_a", at + timedelta(hours=24), at, likes=likes)
                for n, (at, likes) in enumerate(zip(days, (30, 30, 10), strict=False))
            ],
            "run",
        )
        counts = [
            AccountSnapshot("ws_1", "acct_a", MONDAY + timedelta(days=n), followers)
            for n, followers in enumerate((100, 110, 125))
        ]
        load_account_snapshots(lake, counts, "run")


def test_the_notebook_draws_what_the_lake_holds(warehouse_settings: WarehouseSettings) -> None:
    fill(warehouse_settings)
    mpl.use("Agg")
    spec = importlib.util.spec_from_file_location("engagement_notebook", NOTEBOOK)
    assert spec is not None
    assert spec.loader is not None
    notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebook)
    outputs, names = notebook.app.run()
    assert len(outputs) == len(list(notebook.app._cell_manager.cells()))

    usual = (30 + 30 + 10) / 3
    drawn = names["slot_figure"].axes[0].images[0].get_array()
    expected = np.full((7, 24), np.nan)
    expected[0, 9], expected[1, 9] = 30 / usual, 10 / usual
    np.testing.assert_allclose(np.ma.filled(drawn, np.nan), expected)

    (line,) = names["growth_figure"].axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), [0, 10, 25])
    assert line.get_label() == "mastodon harborlight"
    names["lake"].close()
    names["plt"].close("all")
