"""Table of the snapshots that exports continue from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class ExportCursor(Base):
    """A snapshot of the lake that an answer named as the cursor of the next incremental export."""

    __tablename__ = "export_cursors"

    snapshot_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    handed_at: Mapped[datetime]
