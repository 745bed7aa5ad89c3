"""The messages of a case, over all its reports: each once, in the order of the server's clock. Pure.

Two reporters may have reported the same message; it is shown once, with the best proof that any of them brought. Two
reports may also say different things of one event: then both are shown, and marked, for one of them is wrong.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tutela.provider.reports.verification import StampKeys
from tutela.provider.review.evidence import WHOLE, Said, said
from tutela.wire.report import MessageEvidence, Proof, Report


class TimeOf(enum.StrEnum):
    """Whose clock a message's time is of."""

    SENT = "sent"
    """Our homeserver's: when it was sent."""
    ARRIVED = "arrived"
    """Our homeserver's: when it arrived from another one."""
    TOLD = "told"
    """The reporter's client said so."""


@dataclass(frozen=True)
class ReportedFile:
    """A file that a report announced. `arrived` is `None` while it is missing."""

    report: str
    event_id: str
    sha256: str
    size: int
    proven: bool
    arrived: int | None

    @property
    def _rank(self) -> tuple[bool, bool]:
        return (self.arrived is not None, self.proven)


@dataclass(frozen=True)
class ReportedMessage:
    """A message of a case. `time` in milliseconds."""

    evidence: MessageEvidence
    proof: Proof
    time: int
    time_of: TimeOf
    references: tuple[str, ...]
    """Of the reports that hold it, in the order in which they came."""
    files: tuple[ReportedFile, ...]
    disputed: bool
    """Whether another report says something else of the same event."""

    @property
    def said(self) -> Said:
        """What it says, or the beginning of it."""
        return said(self.evidence)

    @property
    def said_whole(self) -> Said:
        """All that it says."""
        return said(self.evidence, WHOLE)


@dataclass(frozen=True)
class HeldReport:
    """A report as the timeline reads it."""

    reference: str
    report: Report
    proofs: Sequence[Proof]


#: The best first.
_PROOFS: Final = (Proof.PROVEN, Proof.UNSTAMPED, Proof.UNPROVEN)
_Key: TypeAlias = tuple[str, str, str, str, str]


def timeline(reports: Iterable[HeldReport], files: Iterable[ReportedFile], stamps: StampKeys) -> list[ReportedMessage]:
    """Return the messages of `reports`, each once, oldest first."""
    best: dict[_Key, tuple[MessageEvidence, Proof]] = {}
    held: defaultdict[_Key, dict[str, None]] = defaultdict(dict)
    by_report: dict[str, _Key] = {}
    claims: defaultdict[str, set[_Key]] = defaultdict(set)
    for report in reports:
        for evidence, proof in zip(report.report.evidence, report.proofs, strict=True):
            key = (evidence.event_id, evidence.room_id, evidence.sender, evidence.type, evidence.content)
            known = best.get(key)
            if known is None or _PROOFS.index(proof) < _PROOFS.index(known[1]):
                best[key] = (evidence, proof)
            held[key][report.reference] = None
            by_report[f"{report.report.id} {evidence.event_id}"] = key
            claims[evidence.event_id].add(key)
    attached = _attached(files, by_report)
    messages = [
        ReportedMessage(
            evidence,
            proof,
            *_time(evidence, proof, stamps),
            references=tuple(held[key]),
            files=tuple(attached[key].values()),
            disputed=len(claims[evidence.event_id]) > 1,
        )
        for key, (evidence, proof) in best.items()
    ]
    # Stable: messages of one moment stay in the order in which the first report has them.
    return sorted(messages, key=lambda message: message.time)


def _attached(files: Iterable[ReportedFile], by_report: dict[str, _Key]) -> defaultdict[_Key, dict[str, ReportedFile]]:
    attached: defaultdict[_Key, dict[str, ReportedFile]] = defaultdict(dict)
    for file in files:
        key = by_report.get(f"{file.report} {file.event_id}")
        if key is None:
            continue
        known = attached[key].get(file.sha256)
        if known is None or file._rank > known._rank:
            attached[key][file.sha256] = file
    return attached


def _time(evidence: MessageEvidence, proof: Proof, stamps: StampKeys) -> tuple[int, TimeOf]:
    if proof is Proof.PROVEN:
        ours = stamps.ours(evidence)
        for made in ours:
            if not made.received:
                return made.time, TimeOf.SENT
        if ours:
            return min(made.time for made in ours), TimeOf.ARRIVED
    return evidence.sent_at, TimeOf.TOLD
