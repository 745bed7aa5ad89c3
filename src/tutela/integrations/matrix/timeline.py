"""What the application is shown: messages, pictures with their verdicts, and notices. Plain values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from tutela.device.conversation.advice import Advice
from tutela.device.verdict import Verdict
from tutela.integrations.matrix.franking import Franking
from tutela.integrations.matrix.identities import SenderTrust
from tutela.language import N_, Words
from tutela.wire.manifest import Action
from tutela.wire.report import MessageEvidence


class Problem(enum.StrEnum):
    """Why a message cannot be shown."""

    NO_KEY = "no-key"
    """Its key has not arrived. If it comes, the message follows under the same `event_id`."""
    UNDECRYPTABLE = "undecryptable"
    FORGED = "forged"
    """Not from the person that the homeserver names."""
    NOT_ENCRYPTED = "not-encrypted"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    """A kind that this client does not show: a file, a video, a sound, a sticker."""
    OVERSIZED = "oversized"
    ALTERED = "altered"
    """The attachment is not what the sender encrypted."""
    UNAVAILABLE = "unavailable"
    """The homeserver does not deliver the attachment."""
    CHECK_FAILED = "check-failed"


class NoticeKind(enum.StrEnum):
    """What a notice is about."""

    IDENTITY_CHANGED = "identity-changed"
    """`user_id` has a new master key, or none any more; nothing is sent until it is accepted."""
    OWN_IDENTITY_CHANGED = "own-identity-changed"
    """The homeserver lists another identity for this account."""
    DEVICES_LEFT_OUT = "devices-left-out"
    """`user_id` has devices that no identity vouches for; they receive nothing."""
    SOMEBODY_JOINED = "somebody-joined"
    """`user_id` would read in the room and was neither invited nor accepted by this account."""
    MESSAGES_SKIPPED = "messages-skipped"
    """There were too many messages to fetch while this device was away."""
    RECORD_LOST = "record-lost"
    """The record of seen messages was removed: what comes again is not recognised."""
    ACCOUNT_LOCKED = "account-locked"
    """This account was locked: nothing comes or goes. Of no room, as the next."""
    ACCOUNT_UNLOCKED = "account-unlocked"
    """It is not locked any more."""


@dataclass(frozen=True, kw_only=True)
class TimelineEvent:
    """Something that happened in a room. `sent_at` is in milliseconds since 1970, as the homeserver says."""

    room_id: str
    event_id: str
    sender: str
    sent_at: int


@dataclass(frozen=True, kw_only=True)
class Message(TimelineEvent):
    """Something that a person sent. `own`: from this account. `trust`: what is known of the device that sent it."""

    own: bool
    trust: SenderTrust
    franking: Franking = Franking.ABSENT
    """Whether its sender committed to it: if not, it can be reported, but without proof."""
    evidence: MessageEvidence | None = field(default=None, repr=False)
    """What reporting it would take; ask `GuardedClient.evidence`, which has this account's own, too."""

    def caution(self, words: Words) -> str:
        """Return what to tell the user about the sender's device; empty when all is well."""
        return words.text(_CAUTIONS[self.trust]) if self.trust in _CAUTIONS else ""


@dataclass(frozen=True, kw_only=True)
class TextMessage(Message):
    """Plain text, from other people: escape it before it is shown."""

    text: str


@dataclass(frozen=True, kw_only=True)
class PictureMessage(Message):
    """A picture after its check.

    `data` is the decrypted file, or `None` when the verdict says stop. `shown` says whether to show it at once; where
    it is false and there is data, the user may ask to see it. `filename` is the sender's word: use it as text only.
    """

    filename: str
    data: bytes | None = field(repr=False)
    verdict: Verdict

    @property
    def shown(self) -> bool:
        """Whether the verdict lets the picture be shown without asking."""
        return self.verdict.action is Action.ALLOW


@dataclass(frozen=True, kw_only=True)
class UnreadableMessage(Message):
    """A message that cannot be shown."""

    problem: Problem

    def text(self, words: Words) -> str:
        """Return what to tell the user."""
        return words.text(_PROBLEMS[self.problem])


@dataclass(frozen=True, kw_only=True)
class Notice(TimelineEvent):
    """Something that the client itself tells the user about `sender`."""

    kind: NoticeKind
    devices: tuple[str, ...] = ()
    fingerprint: str = ""
    """The new master key in groups of four, for two people to compare."""

    def text(self, words: Words) -> str:
        """Return what to tell the user."""
        return words.text(_NOTICES[self.kind], user=self.sender)


@dataclass(frozen=True, kw_only=True)
class ConversationAdvice(TimelineEvent):
    """What this device's conversation guard tells its user about what `sender` wrote. Made here, sent to nobody."""

    advice: Advice


@dataclass(frozen=True, kw_only=True)
class ServiceMessage(TimelineEvent):
    """What the service tells this account, such as a decision about it. Plain text, not encrypted: escape it.

    It is worth what the homeserver is, which could have written it.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class Invitation(TimelineEvent):
    """`sender` invites this account into a room."""

    name: str


_CAUTIONS = {
    SenderTrust.UNSIGNED: N_("Sent from a device that its owner has not confirmed."),
    SenderTrust.UNKNOWN: N_("Sent from an unknown device."),
    SenderTrust.CHANGED: N_("Sent after this person’s keys changed."),
}

_PROBLEMS = {
    Problem.NO_KEY: N_("Waiting for the key to this message."),
    Problem.UNDECRYPTABLE: N_("This message could not be decrypted."),
    Problem.FORGED: N_("This message did not come from the person it claims to be from, so it is not shown."),
    Problem.NOT_ENCRYPTED: N_("This message was not encrypted, so it is not shown."),
    Problem.MALFORMED: N_("This message is damaged."),
    Problem.UNSUPPORTED: N_("This kind of message cannot be shown here."),
    Problem.OVERSIZED: N_("This picture is too large to be shown."),
    Problem.ALTERED: N_("This picture was changed on its way, so it is not shown."),
    Problem.UNAVAILABLE: N_("This picture could not be fetched."),
    Problem.CHECK_FAILED: N_("This picture could not be checked, so it is not shown."),
}

_NOTICES = {
    NoticeKind.IDENTITY_CHANGED: N_(
        "The security keys of {user} have changed. Perhaps there is a new phone; perhaps somebody is pretending. "
        "Ask {user} in another way before you go on. Until you accept the new keys, nothing is sent."
    ),
    NoticeKind.OWN_IDENTITY_CHANGED: N_(
        "Somebody replaced the security keys of your account. If it was not you, change your password. "
        "Until this is settled, nothing is sent."
    ),
    NoticeKind.DEVICES_LEFT_OUT: N_(
        "{user} uses a device that {user} has not confirmed. It does not receive what you send."
    ),
    NoticeKind.SOMEBODY_JOINED: N_(
        "{user} is now in this conversation and would read what you write from now on. Do you know why? "
        "Until you accept, nothing is sent."
    ),
    NoticeKind.MESSAGES_SKIPPED: N_("Some earlier messages are not shown."),
    NoticeKind.RECORD_LOST: N_(
        "This device has lost its list of the messages that it has seen. "
        "An old message could come again and look like a new one."
    ),
    NoticeKind.ACCOUNT_LOCKED: N_(
        "The service has locked your account, so nothing is sent or received now. What is here stays here. "
        "The message from the service says why. If you do not agree, or it was not you, open the link in it and say "
        "so: another person looks at it again."
    ),
    NoticeKind.ACCOUNT_UNLOCKED: N_("You can write again, and what came meanwhile is shown."),
}
