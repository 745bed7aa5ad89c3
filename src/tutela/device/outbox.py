"""What the user has reported, sealed in the profile: all of a report until the provider has it, then a note of it.

A report is there from the moment its own record is, which is written after its files; files without one are swept. The
records' names say nothing of what they hold.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

import msgspec

from tutela.device.errors import DamagedProfile, DeviceError
from tutela.device.profile import Profile
from tutela.wire import document, limits
from tutela.wire.errors import WireError
from tutela.wire.franking import Hex32, MatrixId, Milliseconds
from tutela.wire.report import Addition, Receipt, Report, ReportReason, ReportStatus

log = logging.getLogger("tutela.device")

_PREFIX: Final = "outbox-"
_SHORT: Final = 32
#: Notes of reports that have arrived: as many as a provider tells of.
NOTES: Final = 100


class Kept(document.Document, frozen=True):
    """One report as this device keeps it. `reason` is `None` where another device made it."""

    id: Hex32
    made: Milliseconds
    """By this device's clock, or the provider's where another device made it."""
    version: Literal[1] = 1
    reason: ReportReason | None = None
    about: MatrixId | None = None
    danger_now: bool = False
    report: Report | None = None
    """Until the provider has all of it."""
    receipt: Receipt | None = None
    """`None` until the provider has taken it; `missing` counts down."""
    lost: tuple[Hex32, ...] = ()
    """Files that cannot be sent: the provider refuses them, or they are no longer here."""
    additions: tuple[Addition, ...] = ()
    """Those that the provider does not have yet."""
    status: ReportStatus | None = None
    """As last told."""
    looked: Annotated[int, msgspec.Meta(ge=0)] = 0
    """`status.updated` as the user has last looked at it; 0 where they have not."""

    @property
    def urgent(self) -> bool:
        """Whether somebody is in danger now, by what waits to be sent."""
        return (self.danger_now and self.receipt is None) or any(added.danger_now for added in self.additions)


class Outbox:
    """The records. Its methods read and write files: call them where that may take its time."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def load(self) -> dict[str, Kept]:
        """Return all reports by id, and sweep what belongs to none."""
        kept = dict[str, Kept]()
        names = self._profile.names(_PREFIX)
        records = {name for name in names if name.count("-") == 1}
        done = set[str]()
        for name in records:
            try:
                data = self._profile.read(name) or b""
                one = document.decode(data, Kept, limit=2 * limits.REPORT_BYTES, canonical=False)
            except (DeviceError, WireError) as error:
                log.warning("a report that was kept cannot be read: %s", error)  # it stays where it is
                continue
            kept[one.id] = one
            if one.report is None:
                done.add(name)
        for name in set(names) - records:
            if name.rpartition("-")[0] not in records - done:
                self._profile.delete(name)
        return kept

    def put(self, kept: Kept, files: Mapping[str, bytes]) -> None:
        """Keep a report with its files, all or nothing.

        Raises:
            OSError: there is no room.
        """
        with self._undone(kept.id, files):
            for digest, data in files.items():
                self._profile.write(_record(kept.id, digest), data)
            self.update(kept)

    def update(self, kept: Kept) -> None:
        """Keep how far a report has come.

        Raises:
            OSError: there is no room; what was there stays.
        """
        self._profile.write(_record(kept.id), document.encode(kept))

    def file(self, report_id: str, digest: str) -> bytes | None:
        """Return a report's file, or `None` if it is no longer here."""
        try:
            return self._profile.read(_record(report_id, digest))
        except DamagedProfile as error:
            log.warning("a reported file is damaged: %s", error)
            return None

    def erase_files(self, report_id: str) -> None:
        """Forget a report's files."""
        for name in self._profile.names(_record(report_id) + "-"):
            self._profile.delete(name)

    def forget(self, report_id: str) -> None:
        """Forget a report."""
        self._profile.delete(_record(report_id))
        self.erase_files(report_id)

    @contextlib.contextmanager
    def _undone(self, report_id: str, files: Mapping[str, bytes]) -> Iterator[None]:
        try:
            yield
        except OSError:
            for digest in files:
                self._profile.delete(_record(report_id, digest))
            raise


def _record(report_id: str, digest: str = "") -> str:
    name = _PREFIX + report_id[:_SHORT]
    return f"{name}-{digest[:_SHORT]}" if digest else name
