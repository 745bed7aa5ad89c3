"""An epoch's manifest: all that a device must know, bound together, signed by authorities as a DSSE envelope.

It binds the lists' digests, the rule of agreement, the matching parameters, the OPRF key, each segment's digest and
the provider's policy, so that nobody can be served a list, a key or a policy of their own.
"""

from __future__ import annotations

import enum
from typing import Annotated, Final

import msgspec

from tutela.wire.document import Document
from tutela.wire.submission import AuthorityId, Count, Hex32, Jurisdiction, ListClass, ProviderName, Time

MANIFEST_TYPE: Final = "application/vnd.tutela.manifest.v1+json"

KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
AuthorityName = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Small = Annotated[int, msgspec.Meta(ge=1, le=1 << 16)]


class Action(enum.StrEnum):
    """What a client does with a picture, as the policy says."""

    ALLOW = "allow"
    WARN = "warn"
    STOP = "stop"


class Actions(Document, frozen=True):
    """One action for a picture about to be sent, one for a picture received."""

    outgoing: Action
    incoming: Action


class Heard(enum.StrEnum):
    """How the conversation guard speaks, quietest first: a quiet line, a card with reasons, a warning with help."""

    TIP = "tip"
    NUDGE = "nudge"
    WARNING = "warning"


class ChildGroup(enum.StrEnum):
    """The age group that a child's account has on its own device. No account's group is ever sent."""

    CHILD = "child"
    TEEN = "teen"


class ConversationRule(Document, frozen=True):
    """What the conversation guard does on the devices of one age group in one jurisdiction."""

    group: ChildGroup
    jurisdiction: Jurisdiction | None
    """`None`: wherever no other rule for this group names the jurisdiction."""
    at_first: Heard
    """The lowest level that is shown until the user chooses."""
    at_most: Heard
    """The quietest that the user may choose: from this level on, it is always shown."""
    may_switch_off: bool

    def __post_init__(self) -> None:
        """Refuse a rule under which the guard is quieter from the start than it may be made."""
        if tuple(Heard).index(self.at_first) > tuple(Heard).index(self.at_most):
            raise ValueError(f"at_first is {self.at_first}, which is quieter than at_most, {self.at_most}")


ConversationRules = Annotated[tuple[ConversationRule, ...], msgspec.Meta(min_length=1, max_length=512)]


class Policy(Document, frozen=True):
    """The provider's published policy. Guard does what it says, also when the provider cannot be reached."""

    mode: Annotated[str, msgspec.Meta(pattern=r"^shield\Z")]
    agreed: Actions
    """When a picture matches a hash of the agreed list."""
    attested: Actions
    """When it matches only a hash of an attested feed."""
    unchecked: Actions
    """When it could not be checked."""
    cover_checks_per_day: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    """Checks of nothing, at random times, that hide which checks belong to pictures."""
    checks_per_hour: Small
    """The rate limit of one account; it also slows somebody who edits a picture until it passes."""
    conversations: ConversationRules | msgspec.UnsetType = msgspec.UNSET
    """For the conversation guard of children's accounts, in order of group and jurisdiction; absent, devices go by
    their careful defaults. An absent part is not encoded, so that policies from before this part stay what they were.
    """

    def __post_init__(self) -> None:
        """Refuse two rules for one group and jurisdiction, and rules in another order than theirs."""
        if self.conversations is not msgspec.UNSET:
            places = [(rule.group.value, rule.jurisdiction or "") for rule in self.conversations]
            if places != sorted(set(places)):
                raise ValueError("the rules for conversations are not in order of group and jurisdiction, each once")


class Agreement(Document, frozen=True):
    """When a hash is listed, and what makes two hashes the same item.

    A hash h is listed when the hashes within `same_item_distance` (Hamming, PDQ) of it, itself included, were
    submitted by at least `authorities` authorities of at least `jurisdictions` jurisdictions; and of it, those bands
    whose very pattern that many of them submitted.
    """

    authorities: Small
    jurisdictions: Small
    same_item_distance: Annotated[int, msgspec.Meta(ge=0, le=31)]
    minimum_quality: Annotated[int, msgspec.Meta(ge=0, le=100)]


class Parameters(Document, frozen=True):
    """How pictures are turned into bands and probes. See `matching.bands` and `matching.probes`."""

    bands: Annotated[int, msgspec.Meta(ge=1, le=16)]
    band_bits: Annotated[int, msgspec.Meta(ge=40, le=64)]
    """At least 40: if the key leaks, each position costs some 800 core-days to enumerate, against three at 32."""
    bands_needed: Annotated[int, msgspec.Meta(ge=1, le=16)]
    batch: Annotated[int, msgspec.Meta(ge=1, le=2048)]
    """Elements in every check, padding included."""


class OprfKey(Document, frozen=True):
    """A public key of the OPRF (RFC 9497, ristretto255-SHA512, VOPRF), and until when it answers."""

    id: KeyId
    public: Hex32
    retires: Time | None
    """`None` while segments are built with it."""


class ListDigest(Document, frozen=True):
    """How many hashes a list class holds, and the SHA-256 of its canonical file."""

    list_class: ListClass
    items: Count
    digest: Hex32


class SegmentEntry(Document, frozen=True):
    """One layer of the filter: which items went in, with which key, and the digest of the file."""

    list_class: ListClass
    since_epoch: Count
    """The epoch in which this layer was built."""
    key: KeyId
    items: Count
    items_digest: Hex32
    size: Count
    digest: Hex32


class SubmissionHead(Document, frozen=True):
    """The last submission of one authority that went into an epoch; with it, all those before."""

    authority: AuthorityId
    number: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
    digest: Hex32
    """SHA-256 of the submission's payload."""


class Authority(Document, frozen=True):
    """A list authority, as the provider admits it and as a trust root knows it."""

    id: AuthorityId
    name: AuthorityName
    jurisdiction: Jurisdiction
    public_key: Hex32


class Manifest(Document, frozen=True):
    """One epoch."""

    provider: ProviderName
    epoch: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
    previous: Hex32 | None
    """SHA-256 of the manifest payload of the epoch before."""
    created: Time
    agreement: Agreement
    parameters: Parameters
    policy: Policy
    keys: tuple[OprfKey, ...]
    """The current key first, then those still answering."""
    lists: tuple[ListDigest, ...]
    segments: tuple[SegmentEntry, ...]
    merge_factor: Annotated[int, msgspec.Meta(ge=2, le=64)]
    """Layers are merged while the one before is smaller than this many times the last."""
    authorities: tuple[Authority, ...]
    submissions: tuple[SubmissionHead, ...]
    """What the lists were made from, in order of authority."""


class TrustRoot(Document, frozen=True):
    """What a client ships with: whose signatures make a manifest acceptable, and how many are needed."""

    provider: ProviderName
    authorities: tuple[Authority, ...]
    signatures: Annotated[int, msgspec.Meta(ge=2, le=64)]
    jurisdictions: Annotated[int, msgspec.Meta(ge=2, le=64)]
    minimum_epoch: Count
