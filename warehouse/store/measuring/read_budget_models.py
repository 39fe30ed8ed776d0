"""Table of reads that a platform charges for."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Date, String
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class ReadCharge(Base):
    """One post that was or will be read on one UTC day. Platforms charge for a post once a day."""

    __tablename__ = "read_charges"

    platform: Mapped[str] = mapped_column(String(20), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    publication_id: Mapped[str] = mapped_column(String(40), primary_key=True)
