"""Reports that go to nobody: a device's end in memory, and a provider that answers as a test tells it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tutela.device.errors import NoSuchReport, ReportTooLarge
from tutela.device.reports import OwnReport
from tutela.wire.report import (
    MessageEvidence,
    Proof,
    ReadingTime,
    ReadingTimes,
    Receipt,
    ReportOutcome,
    ReportReason,
    ReportState,
    ReportStatus,
)

DAY = ReadingTimes(
    danger_now=ReadingTime(nobody_for=0, within=15),
    reasons=dict.fromkeys(ReportReason, ReadingTime(nobody_for=0, within=240)),
)
#: At 17:20, when the gallery stands still, nobody is there until 8 o'clock.
NIGHT = ReadingTimes(
    danger_now=ReadingTime(nobody_for=0, within=15),
    reasons=dict.fromkeys(ReportReason, ReadingTime(nobody_for=880, within=1120)),
)
#: The provider has nobody who reads.
NEVER = ReadingTimes(
    danger_now=ReadingTime(nobody_for=None, within=None),
    reasons=dict.fromkeys(ReportReason, ReadingTime(nobody_for=None, within=None)),
    nobody_reads=True,
)
REFERENCES = ("7F3K-QX2M", "2WJ9-0CTB", "HZ4E-8MND", "PK6R-1V5S", "C0YA-9GQ7")


@dataclass
class PretendReports:
    """As `tutela.device.Reports`, without a profile and a provider."""

    clock: Callable[[], datetime]
    away: bool = False
    """Whether the provider is away."""
    full: bool = False
    """Whether the disk is full."""
    times: ReadingTimes | None = DAY
    sent: list[dict[str, Any]] = field(default_factory=list)
    added: list[tuple[str, str, bool]] = field(default_factory=list)
    _all: dict[str, OwnReport] = field(default_factory=dict)
    _additions: set[str] = field(default_factory=set)

    async def send(
        self,
        reason: ReportReason,
        *,
        messages: Iterable[MessageEvidence],
        files: Mapping[str, bytes],
        about: str | None,
        danger_now: bool,
        text: str,
        language: str,
        report_id: str,
    ) -> OwnReport:
        if len(text) > 4000:
            raise ReportTooLarge("too long")
        if report_id not in self._all:
            evidence = list(messages)
            self.sent.append(
                {
                    "reason": reason,
                    "messages": [e.event_id for e in evidence],
                    "files": dict(files),
                    "about": about,
                    "danger_now": danger_now,
                    "text": text,
                    "language": language,
                }
            )
            receipt = Receipt(
                id=report_id,
                reference=REFERENCES[len(self._all) % len(REFERENCES)],
                proofs=tuple(Proof.PROVEN for _ in evidence),
                missing=(),
                read_within_minutes=None if self.times is NEVER else 15 if danger_now else 240,
                nobody_reads=self.times is NEVER,
            )
            self._all[report_id] = OwnReport(
                id=report_id,
                made=int(self.clock().timestamp() * 1000),
                reason=reason,
                about=about,
                danger_now=danger_now,
                receipt=None if self.away else receipt,
                status=None,
                waiting=1 if self.away else 0,
                lost=0,
                kept=not self.full,
            )
        return self._all[report_id]

    async def add(self, report_id: str, text: str, *, danger_now: bool, addition_id: str) -> OwnReport:
        own = self.own(report_id)
        if not 0 < len(text) <= 4000:
            raise ReportTooLarge("too long")
        if addition_id not in self._additions:
            self._additions.add(addition_id)
            self.added.append((report_id, text, danger_now))
            if own.status is None:
                self.told(report_id)
            else:
                self.told(report_id, own.status.state, own.status.outcome, own.status.message)
        return self.own(report_id)

    async def mine(self) -> tuple[OwnReport, ...]:
        return tuple(sorted(self._all.values(), key=lambda own: own.made, reverse=True))

    def known(self) -> tuple[OwnReport, ...]:
        return tuple(self._all.values())

    def looked(self) -> None:
        self._all = {id: replace(own, news=False) for id, own in self._all.items()}

    async def reading_times(self) -> ReadingTimes | None:
        return None if self.away else self.times

    def own(self, report_id: str) -> OwnReport:
        if report_id not in self._all:
            raise NoSuchReport("no such report")
        return self._all[report_id]

    def told(
        self,
        report_id: str,
        state: ReportState = ReportState.RECEIVED,
        outcome: ReportOutcome | None = None,
        message: str = "",
    ) -> None:
        """The provider says what became of a report."""
        own = self._all[report_id]
        status = ReportStatus(
            id=report_id,
            reference=own.reference or REFERENCES[-1],
            state=state,
            outcome=outcome,
            received=own.made,
            updated=own.made,
            message=message,
            additions=len([a for a in self.added if a[0] == report_id]),
        )
        self._all[report_id] = replace(own, status=status, news=state is ReportState.DECIDED)


def an_id(name: str) -> str:
    """An id of a report, or of an addition."""
    return hashlib.sha256(name.encode()).hexdigest()
