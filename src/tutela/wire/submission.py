"""What a list authority signs: hashes that it vouches for, and hashes that it withdraws.

A submission travels in a DSSE envelope of type `SUBMISSION_TYPE`. It names the list that it is for by its provider, as
the list's manifests do, so that it counts for no other. Submissions of one authority to one list are numbered from 1
without gaps, and each names the digest of the one before, so that none can be dropped, replayed or reordered.
"""

from __future__ import annotations

import enum
from typing import Annotated, Final

import msgspec

from tutela.wire.document import Document

SUBMISSION_TYPE: Final = "application/vnd.tutela.submission.v1+json"

ProviderName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
AuthorityId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}\Z")]
Jurisdiction = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
PdqHex = Hex32
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Time = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class ListClass(enum.StrEnum):
    """How a hash came to be listed. A weaker class is always shown as what it is."""

    AGREED = "agreed"
    """Authorities of different jurisdictions vouch for it, each on its own."""
    ATTESTED = "attested"
    """One organisation's feed states who verified it."""


class Item(Document, frozen=True):
    """One PDQ hash. `verified_by` is filled only in an attested feed: who, as the feed says, verified it."""

    pdq: PdqHex
    quality: Annotated[int, msgspec.Meta(ge=0, le=100)]
    verified_by: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=120)], ...] = ()


class Submission(Document, frozen=True):
    """Items vouched for and hashes withdrawn, in ascending order of hash."""

    provider: ProviderName
    """Whose list it is for."""
    authority: AuthorityId
    number: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
    previous: Hex32 | None
    """SHA-256 of the payload of this authority's submission before; `None` for the first."""
    created: Time
    list_class: ListClass
    vouched: tuple[Item, ...]
    withdrawn: tuple[PdqHex, ...]
