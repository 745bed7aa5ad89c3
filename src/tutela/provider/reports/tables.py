"""The tables of reports."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tutela.provider.tables import Base


class Report(Base):
    """A report that was verified and accepted. Nothing of it is ever shown to whoever is reported."""

    __tablename__ = "report"
    __table_args__ = (Index("ix_report_account", "account", "received"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(String(255))
    """Who reported: whose session it was."""
    case: Mapped[int] = mapped_column(ForeignKey("review_case.id"), index=True)
    news: Mapped[int]
    """Its number among what came into its case, which later additions to it take on."""
    decision: Mapped[str | None] = mapped_column(String(32), index=True)
    """The decision that settled it."""
    reference: Mapped[str] = mapped_column(String(16), unique=True)
    digest: Mapped[str] = mapped_column(String(64))
    """Of the report's canonical encoding: sending it again is recognised by it."""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """The report, canonically encoded."""
    proofs: Mapped[str] = mapped_column(Text)
    """What was proven of each message, in order, separated by spaces."""
    reason: Mapped[str] = mapped_column(String(32))
    danger_now: Mapped[bool]
    received: Mapped[int] = mapped_column(BigInteger)
    updated: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str | None] = mapped_column(String(32))
    answer: Mapped[str] = mapped_column(Text)
    """What a person wrote to the reporter."""
    bad_faith: Mapped[bool]
    """Whether a decision found that it was made to harm somebody."""


class ReportMessage(Base):
    """Which event of which room is in which report, so that reports of the same find each other."""

    __tablename__ = "report_message"

    report: Mapped[str] = mapped_column(ForeignKey("report.id"), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)
    room_id: Mapped[str] = mapped_column(String(255), index=True)


class ReportAttachment(Base):
    """A file that a report announced, and, once it has arrived, where it lies."""

    __tablename__ = "report_attachment"

    report: Mapped[str] = mapped_column(ForeignKey("report.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    event_id: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    proven: Mapped[bool]
    """Whether the message it belongs to is proven, and names just this file."""
    arrived: Mapped[int | None] = mapped_column(BigInteger)


class ReportAddition(Base):
    """What a reporter added later."""

    __tablename__ = "report_addition"

    report: Mapped[str] = mapped_column(ForeignKey("report.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    danger_now: Mapped[bool]
    received: Mapped[int] = mapped_column(BigInteger)
