"""What the user reports on purpose, and what becomes of it.

A report that its user sent is not lost: not by a crash, an empty battery, a full disk or a provider that is away. The
laws of order:

1. The files are sealed in the profile, then the report. From then on it will be sent, whatever happens to this process.
2. It is sent under one id until there is a receipt, so that the provider takes it once however often it is sent.
3. Its files follow until the provider misses none. Then messages and files are erased here, and a note of it stays.

Where the disk is full it is sent from memory, and `OwnReport.kept` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from tutela.device.client import ProviderClient
from tutela.device.drafting import addition, digest, draft, without_proof
from tutela.device.errors import DeviceError, NoSuchReport, ProviderRefused, ProviderUnreachable, UntrustedAnswer
from tutela.device.outbox import NOTES, Kept, Outbox
from tutela.device.profile import Profile
from tutela.wire.report import (
    Addition,
    MessageEvidence,
    ReadingTimes,
    Receipt,
    Report,
    ReportReason,
    ReportState,
    ReportStatus,
)

log = logging.getLogger("tutela.device")

#: The first and the longest pause, in seconds, before a provider that is away is asked again.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
#: So long `send` and `add` wait for the provider before they leave it to later.
_PATIENCE: Final = 8.0
#: So long is asked when a report would be read; somebody is waiting to send one.
_TIMES_PATIENCE: Final = 2.0

_NOT_NOW: Final = (ProviderUnreachable, ProviderRefused, UntrustedAnswer, TimeoutError)
#: The provider's codes for what it will never take, however often it is sent.
_NEVER: Final = frozenset({"unknown-report", "report-conflict", "malformed", "oversized", "too-many-reports"})
_WRONG_FILE: Final = frozenset({"wrong-attachment", "unknown-attachment", "oversized"})


@dataclass(frozen=True)
class OwnReport:
    """A report of this account, as far as this device knows."""

    id: str
    made: int
    """Milliseconds since 1970."""
    reason: ReportReason | None
    """`None`, as all about it, where another device made it."""
    about: str | None
    danger_now: bool
    receipt: Receipt | None
    """`None` while it waits to be sent."""
    status: ReportStatus | None
    """As last told."""
    waiting: int
    """How much has not arrived yet: the report itself, files, additions."""
    lost: int
    """Files that could not be sent."""
    kept: bool
    """Whether it would survive the end of this process; where not, the disk is full."""
    news: bool = False
    """Whether it was answered since the user last looked (`Reports.looked`)."""

    @property
    def arrived(self) -> bool:
        """Whether the provider has the report itself."""
        return self.receipt is not None or self.status is not None

    @property
    def open(self) -> bool:
        """Whether an answer is still to come."""
        return self.status is None or self.status.state is not ReportState.DECIDED

    @property
    def reference(self) -> str:
        """What to read out on the telephone; empty while it waits."""
        told = self.receipt or self.status
        return told.reference if told else ""

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON tells it."""
        return {"reference": self.reference, **msgspec.to_builtins(self)}


class Reports:
    """The user's reports. Made by `Guard`, which starts and closes it."""

    def __init__(
        self,
        profile: Profile,
        client: ProviderClient,
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251 (the edge)
    ) -> None:
        """Load what is kept in `profile`. `clock` tells the time in seconds since 1970."""
        self._client = client
        self._clock = clock
        self._outbox = Outbox(profile)
        self._all = self._outbox.load()
        self._in_memory: dict[str, Mapping[str, bytes]] = {}
        """Files, by digest, of the reports for which the disk has no room."""
        self._posting, self._delivering = asyncio.Lock(), asyncio.Lock()
        self._news = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Send what waits, from now on and whenever something new does."""
        self._worker = asyncio.create_task(self._work())

    async def close(self) -> None:
        """End what is under way. What waits is sent the next time."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def send(
        self,
        reason: ReportReason,
        *,
        messages: Iterable[MessageEvidence] = (),
        files: Mapping[str, bytes] = MappingProxyType({}),
        about: str | None = None,
        danger_now: bool = False,
        text: str = "",
        language: str = "en",
        region: str | None = None,
        report_id: str | None = None,
    ) -> OwnReport:
        """Report. Returns once the report is kept here, with its receipt if the provider answers soon.

        Args:
            reason: why.
            messages: those that the user chose, in any order; those without proof, too.
            files: decrypted files by the ids of the messages that brought them, where the user chose to send them.
            about: the account that is reported, if one is.
            danger_now: whether somebody is in danger now.
            text: the user's own words, at most 4,000 characters.
            language: in which the user wants to be answered.
            region: where the user lives (ISO 3166-1), only if they said so.
            report_id: 32 random bytes in hexadecimal, chosen before by the client: a second call with it, such as of an
                impatient thumb, changes nothing.

        Raises:
            ReportTooLarge, ReportUnusable: this cannot be one report; nothing was kept or sent.
        """
        report_id = report_id or secrets.token_hex(32)
        if report_id not in self._all:
            report = draft(
                report_id,
                reason,
                messages=messages,
                files=files,
                about=about,
                danger_now=danger_now,
                text=text,
                language=language,
                region=region,
            )
            await self._keep(report, {digest(data): data for data in files.values() if data})
        with contextlib.suppress(*_NOT_NOW):
            async with asyncio.timeout(_PATIENCE):
                await self._post(report_id)
        self._news.set()
        return self._own(report_id)

    async def add(
        self, report_id: str, text: str, *, danger_now: bool = False, addition_id: str | None = None
    ) -> OwnReport:
        """Add to a report. Returns once it is kept here; `addition_id` as `report_id` in `send`.

        Raises:
            NoSuchReport: this device knows of none with this id; ask `mine` first.
            ReportTooLarge, ReportUnusable: this cannot be added.
            ProviderRefused: the provider will not take it.
        """
        kept = self._known(report_id)
        added = addition(addition_id or secrets.token_hex(32), text, danger_now=danger_now)
        if added not in kept.additions:
            self._change(report_id, additions=(*kept.additions, added))
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._post(report_id)
                await self._add_all(report_id)
        except ProviderRefused:
            if added not in self._all[report_id].additions:
                raise
        except _NOT_NOW as error:
            log.info("an addition waits: %s", error)
        self._news.set()
        return self._own(report_id)

    async def mine(self) -> tuple[OwnReport, ...]:
        """Return all that this account has reported, the newest first, with what the provider says of it now.

        Where the provider does not answer, what it said last.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                statuses = await self._client.reports()
        except _NOT_NOW as error:
            log.info("nothing new is known of the reports: %s", error)
            statuses = ()
        for status in statuses:
            self._all.setdefault(status.id, Kept(id=status.id, made=status.received))
            if self._all[status.id].status != status:
                self._change(status.id, status=status)
        return self.known()

    def known(self) -> tuple[OwnReport, ...]:
        """Return all reports, the newest first, as this device knows them: nothing is asked."""
        return tuple(self._own(kept.id) for kept in self._newest_first())

    def looked(self) -> None:
        """Note that the user has looked at all reports as they are known: what is answered later is news."""
        for kept in [*self._all.values()]:
            if kept.status is not None and kept.looked != kept.status.updated:
                self._change(kept.id, looked=kept.status.updated)

    async def reading_times(self) -> ReadingTimes | None:
        """Return when somebody would read a report that is made now; `None` if the provider does not say at once."""
        try:
            async with asyncio.timeout(_TIMES_PATIENCE):
                return await self._client.reading_times()
        except _NOT_NOW as error:
            log.info("when a report would be read is not known: %s", error)
            return None

    def own(self, report_id: str) -> OwnReport:
        """Return one report, as far as this device knows.

        Raises:
            NoSuchReport: it knows of none with this id.
        """
        self._known(report_id)
        return self._own(report_id)

    async def deliver(self) -> bool:
        """Send what waits now, the most urgent first; return whether all of it has arrived.

        It happens by itself; call it when the connection comes back.
        """
        arrived = True
        async with self._delivering:
            for step in (self._post, self._add_all, self._attach_all):
                for kept in sorted(self._all.values(), key=lambda kept: (not kept.urgent, kept.made)):
                    try:
                        await step(kept.id)
                    except ProviderUnreachable as error:
                        log.info("reports wait: %s", error)
                        return False
                    except (ProviderRefused, UntrustedAnswer) as error:
                        log.warning("a report waits: %s", error)
                        arrived = False
        return arrived

    async def _work(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._news.clear()
            try:
                arrived = await self.deliver()
            except Exception:  # what waits must be tried again, whatever happened here
                log.exception("reports could not be sent")
                arrived = False
            if arrived:
                pause = _FIRST_PAUSE
                await self._news.wait()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
            pause = min(2 * pause, _LONGEST_PAUSE)

    # The steps. Each may end anywhere and be made again.

    async def _post(self, report_id: str) -> None:
        """Have the report taken."""
        async with self._posting:
            while (report := self._all[report_id].report) and self._all[report_id].receipt is None:
                try:
                    receipt = await self._client.report(report)
                except ProviderRefused as refused:
                    # Kept before it is sent, so that one id never stands for two reports.
                    self._change(report_id, report=_with_less_proof(report, refused))
                else:
                    self._settle(report_id, receipt)

    async def _add_all(self, report_id: str) -> None:
        """Have the additions taken, in their order."""
        while (additions := self._all[report_id].additions) and self._own(report_id).arrived:
            try:
                status = await self._client.add(report_id, additions[0])
            except ProviderRefused as refused:
                if refused.problem in _NEVER:
                    log.warning("an addition was refused: %s", refused)
                    self._change(report_id, additions=self._additions_but(report_id, additions[0]))
                raise
            self._change(report_id, additions=self._additions_but(report_id, additions[0]), status=status)

    async def _attach_all(self, report_id: str) -> None:
        """Have the files taken."""
        kept = self._all[report_id]
        for name in kept.receipt.missing if kept.receipt else ():
            data = await self._file(report_id, name)
            if data is None or not await self._attached(report_id, name, data):
                self._change(report_id, lost=(*self._all[report_id].lost, name))
            receipt = self._all[report_id].receipt
            assert receipt is not None
            missing = tuple(other for other in receipt.missing if other != name)
            self._settle(report_id, msgspec.structs.replace(receipt, missing=missing))

    async def _attached(self, report_id: str, name: str, data: bytes) -> bool:
        """Send a file; return whether the provider takes it at all."""
        try:
            await self._client.attach(report_id, name, data)
        except ProviderRefused as refused:
            if refused.problem == "unknown-report":
                # The provider lost it, perhaps to an old copy of its database: it is sent anew.
                self._change(report_id, receipt=None)
            if refused.problem not in _WRONG_FILE:
                raise
            log.warning("a reported file was refused: %s", refused)
            return False
        return True

    # What is kept

    async def _keep(self, report: Report, files: Mapping[str, bytes]) -> None:
        kept = Kept(
            id=report.id,
            made=int(self._clock() * 1000),
            reason=report.reason,
            about=report.about,
            danger_now=report.danger_now,
            report=report,
        )
        self._all[kept.id] = kept
        try:
            await asyncio.to_thread(self._outbox.put, kept, files)
        except (OSError, DeviceError) as error:
            log.warning("a report cannot be kept on this device and is sent from memory: %s", error)
            self._in_memory[kept.id] = files

    def _settle(self, report_id: str, receipt: Receipt) -> None:
        """Keep how far it has come; when all has arrived that can, only a note of it."""
        missing = tuple(name for name in receipt.missing if name not in self._all[report_id].lost)
        receipt = msgspec.structs.replace(receipt, missing=missing)
        if missing:
            self._change(report_id, receipt=receipt)
            return
        self._change(report_id, receipt=receipt, report=None)
        self._in_memory.pop(report_id, None)
        with contextlib.suppress(OSError):  # they are swept the next time
            self._outbox.erase_files(report_id)
        notes = [kept for kept in self._newest_first() if kept.report is None and not kept.additions]
        for kept in notes[NOTES:]:
            del self._all[kept.id]
            self._outbox.forget(kept.id)

    def _change(self, report_id: str, **changes: Any) -> None:
        self._all[report_id] = msgspec.structs.replace(self._all[report_id], **changes)
        try:
            self._outbox.update(self._all[report_id])
        except (OSError, DeviceError) as error:
            # What is on the disk is older then, and sending it again changes nothing.
            log.warning("how far a report has come cannot be kept: %s", error)

    def _additions_but(self, report_id: str, gone: Addition) -> tuple[Addition, ...]:
        return tuple(added for added in self._all[report_id].additions if added != gone)

    async def _file(self, report_id: str, name: str) -> bytes | None:
        if report_id in self._in_memory:
            return self._in_memory[report_id].get(name)
        return await asyncio.to_thread(self._outbox.file, report_id, name)

    def _newest_first(self) -> list[Kept]:
        return sorted(self._all.values(), key=lambda kept: (kept.made, kept.id), reverse=True)

    def _known(self, report_id: str) -> Kept:
        if report_id not in self._all:
            raise NoSuchReport("this account has made no such report", hint="Ask for all reports first.")
        return self._all[report_id]

    def _own(self, report_id: str) -> OwnReport:
        kept = self._all[report_id]
        missing = kept.receipt.missing if kept.receipt else kept.report.attachments if kept.report else ()
        return OwnReport(
            id=kept.id,
            made=kept.made,
            reason=kept.reason,
            about=kept.about,
            danger_now=kept.danger_now,
            receipt=kept.receipt,
            status=kept.status,
            waiting=(kept.report is not None and kept.receipt is None) + len(missing) + len(kept.additions),
            lost=len(kept.lost),
            kept=report_id not in self._in_memory,
            news=kept.status is not None
            and kept.status.state is ReportState.DECIDED
            and kept.status.updated > kept.looked,
        )


def _with_less_proof(report: Report, refused: ProviderRefused) -> Report:
    """Return the report without the proof that the provider did not believe; raise `refused` if it is about another
    thing."""
    evidence, item = list(report.evidence), refused.item
    if refused.problem != "report-refused" or item is None or not 0 <= item < len(evidence):
        raise refused
    if evidence[item].commitment is None:
        raise refused
    log.warning("message %s of a report goes without its proof: %s", item + 1, refused)
    evidence[item] = without_proof(evidence[item])
    return msgspec.structs.replace(report, evidence=tuple(evidence))
