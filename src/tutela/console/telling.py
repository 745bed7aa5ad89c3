"""The words of review: urgencies, reasons, actions, states and spans of time, in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup, escape

from tutela.console.audit import EVENTS, OTHERS
from tutela.console.looks import number
from tutela.language import N_, Words
from tutela.provider.review.evidence import SaidKind, pieces
from tutela.provider.review.lanes import Show, Waits
from tutela.provider.review.policy import ActionKind, Policy, Urgency
from tutela.provider.review.timeline import TimeOf
from tutela.provider.review.view import Link
from tutela.wire.report import Proof, ReportReason

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

URGENCIES: Final[Mapping[Urgency, str]] = {
    Urgency.IMMINENT: N_("Imminent danger"),
    Urgency.CONTACT: N_("Contact with a child"),
    Urgency.DISTRIBUTION: N_("Distribution"),
    Urgency.OTHER: N_("Other"),
}
SHOWS: Final[Mapping[Show, str]] = {
    Show.ALL: N_("All"),
    Show.MINE: N_("Mine"),
    Show.UNTAKEN: N_("Nobody’s yet"),
    Show.SECOND: N_("Needs a second person"),
    Show.APPEALED: N_("Appealed"),
    Show.OVERDUE: N_("Overdue"),
}
WAITS: Final[Mapping[Waits, str]] = {
    Waits.SECOND: N_("Waits for a second person"),
    Waits.APPEAL: N_("Appealed"),
}
REASONS: Final[Mapping[ReportReason, str]] = {
    ReportReason.ASKED_FOR_PICTURES: N_("Was asked for pictures"),
    ReportReason.THREATENED: N_("Is being threatened"),
    ReportReason.WANTS_TO_MEET: N_("Somebody wants to meet"),
    ReportReason.SAW_ABUSE: N_("Saw abuse"),
    ReportReason.WORRIED_ABOUT_A_FRIEND: N_("Is worried about a friend"),
    ReportReason.SOMETHING_ELSE: N_("Something else"),
}
PROOFS: Final[Mapping[Proof, str]] = {
    Proof.PROVEN: N_("Proven"),
    Proof.UNSTAMPED: N_("Not stamped"),
    Proof.UNPROVEN: N_("The reporter’s word"),
}
PROOFS_MEAN: Final[Mapping[Proof, str]] = {
    Proof.PROVEN: N_("Its sender committed to it, and our homeserver stamped it."),
    Proof.UNSTAMPED: N_("Its sender committed to it, but no homeserver of ours stamped it."),
    Proof.UNPROVEN: N_("It bears no proof: it may be true, changed, or made up."),
}
TIMES: Final[Mapping[TimeOf, str]] = {
    TimeOf.SENT: N_("sent, by our homeserver’s clock"),
    TimeOf.ARRIVED: N_("arrived here from another homeserver"),
    TimeOf.TOLD: N_("as the reporter’s client says"),
}
KINDS: Final[Mapping[SaidKind, str]] = {
    SaidKind.TEXT: N_("Message"),
    SaidKind.PICTURE: N_("Picture"),
    SaidKind.VIDEO: N_("Video"),
    SaidKind.AUDIO: N_("Sound"),
    SaidKind.FILE: N_("File"),
    SaidKind.PLACE: N_("Place"),
    SaidKind.OTHER: N_("Not a message: shown as it was sent"),
}
LINKS: Final[Mapping[Link, str]] = {
    Link.ACCOUNT: N_("same account"),
    Link.MESSAGE: N_("same message"),
    Link.FILE: N_("same file"),
    Link.ROOM: N_("same room"),
}
ACTIONS: Final[Mapping[ActionKind, str]] = {
    ActionKind.NO_ACTION: N_("Do nothing"),
    ActionKind.MORE_NEEDED: N_("Ask for more"),
    ActionKind.WARN: N_("Warn"),
    ActionKind.QUARANTINE_MEDIUM: N_("Lock the files away"),
    ActionKind.LOCK: N_("Lock the account"),
    ActionKind.SUSPEND: N_("Suspend the account"),
    ActionKind.BAN: N_("Ban the account"),
    ActionKind.DISCLOSE: N_("Pass on to those who protect children"),
}
ACTIONS_MEAN: Final[Mapping[ActionKind, str]] = {
    ActionKind.NO_ACTION: N_("The case is closed."),
    ActionKind.MORE_NEEDED: N_("Those who reported are asked for more."),
    ActionKind.WARN: N_("They are told the rule and the reasons."),
    ActionKind.QUARANTINE_MEDIUM: N_("The proven files cannot be opened any more."),
    ActionKind.LOCK: N_("They cannot use it until it is unlocked. Nothing is lost."),
    ActionKind.SUSPEND: N_("They can read and leave, and not write."),
    ActionKind.BAN: N_("For good."),
    ActionKind.DISCLOSE: N_("It is recorded here. It cannot be taken back."),
}
STATES: Final[Mapping[str, str]] = {
    "proposed": N_("Proposed"),
    "in-force": N_("In force"),
    "refused": N_("Refused"),
    "undone": N_("Undone"),
    "lapsed": N_("Ended by itself"),
}
CARRIED_OUT: Final[Mapping[str, str]] = {
    "waiting": N_("waiting"),
    "done": N_("done"),
    "failed": N_("cannot be done"),
    "withdrawn": N_("withdrawn"),
}
AT_HOMESERVER: Final[Mapping[str, str]] = {
    "statement": N_("Tell the person concerned"),
    "correction": N_("Tell the person concerned that it was taken back, or stands"),
    "confirmation": N_("Tell the person concerned that it was confirmed"),
    "lock": N_("Lock the account"),
    "unlock": N_("Unlock the account"),
    "suspend": N_("Suspend the account"),
    "unsuspend": N_("End the suspension"),
    "quarantine": N_("Lock a file away"),
    "unquarantine": N_("Give a file back"),
}
#: What a reporter can be told, ready-made; each can be changed before it is sent.
READY: Final = (
    N_("Thank you for telling us. We have looked at it, and we have done something about it."),
    N_("Thank you for telling us. What you did takes courage. None of this is your fault."),
    N_(
        "We have looked at it carefully. What we see here does not break our rules. If something happens again, or you "
        "remember more, please tell us: we will look again."
    ),
    N_("We would like to help, and need to know a little more. Can you tell us what happened before and after?"),
    N_("You can block this person, and you need not answer them. Talking to an adult whom you trust helps, too."),
)


def telling(tongue: Words, policy: Policy) -> dict[str, Any]:
    """Return what the templates of review are given beside what all are."""

    def name(told: Mapping[Any, str]) -> Any:
        return lambda one: tongue.text(told[one])

    return {
        "shown": shown,
        "span": lambda milliseconds: span(milliseconds, tongue),
        "size": lambda count: size(count, tongue),
        "percent": lambda value: percent(value, tongue),
        "decimal": lambda value: decimal(value, tongue),
        "urgency": name(URGENCIES),
        "show_name": name(SHOWS),
        "waits_name": name(WAITS),
        "reason": name(REASONS),
        "proof": name(PROOFS),
        "proof_means": name(PROOFS_MEAN),
        "time_of": name(TIMES),
        "kind": name(KINDS),
        "link_name": name(LINKS),
        "action": name(ACTIONS),
        "action_means": name(ACTIONS_MEAN),
        "state": name(STATES),
        "carried_out": name(CARRIED_OUT),
        "at_homeserver": name(AT_HOMESERVER),
        "event": lambda code: tongue.text(EVENTS[code]) if code in EVENTS else code,
        "rule_title": lambda rule: rule_text(policy, rule, tongue, "title"),
        "rule_text": lambda rule: rule_text(policy, rule, tongue, "text"),
    }


def who(names: Mapping[str, str], tongue: Words) -> Any:
    """Return a function from an id of the staff's, or another word for who acted, to a name."""
    return lambda one: names[one] if one in names else tongue.text(OTHERS[one]) if one in OTHERS else one


def shown(text: str) -> Markup:
    """Return a stranger's text for a page: escaped, deceptive characters by name, turning nothing around it."""
    parts = [
        Markup('<span class="hidden-character">{}</span>').format(piece.text) if piece.hidden else escape(piece.text)
        for piece in pieces(text)
    ]
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def span(milliseconds: int, tongue: Words) -> str:
    """Return a span of time in one or two units, such as *3 h 20 min*; less than a minute is *1 min*."""
    rest = max(abs(milliseconds), _MINUTE)
    days, hours, minutes = rest // _DAY, rest % _DAY // _HOUR, rest % _HOUR // _MINUTE
    if days:
        coarse, fine = tongue.text(N_("{number} d"), number=days), tongue.text(N_("{number} h"), number=hours)
        return f"{coarse} {fine}" if hours and days < 10 else coarse
    if hours:
        coarse, fine = tongue.text(N_("{number} h"), number=hours), tongue.text(N_("{number} min"), number=minutes)
        return f"{coarse} {fine}" if minutes else coarse
    return tongue.text(N_("{number} min"), number=minutes)


def size(count: int, tongue: Words) -> str:
    """Return a number of bytes as people read it, such as *2.3 MB*."""
    if count < 1000:
        return tongue.text(N_("{number} bytes"), number=count)
    if count < 1_000_000:
        return tongue.text(N_("{number} kB"), number=number(round(count / 1000), tongue))
    return tongue.text(N_("{number} MB"), number=decimal(count / 1_000_000, tongue, 1))


def percent(value: float, tongue: Words) -> str:
    """Return a share as a percentage."""
    return tongue.text(N_("{number}%"), number=round(value * 100))


def decimal(value: float, tongue: Words, places: int = 2) -> str:
    """Return a number with some places."""
    text = f"{value:.{places}f}".replace("-", "\N{MINUS SIGN}")
    return text if tongue.language == "en" else text.replace(".", ",")


def rule_text(policy: Policy, rule_id: str, tongue: Words, part: str) -> str:
    """Return the title or the text of a rule; of one that the policy has dropped, its id."""
    rule = policy.rule(rule_id)
    if rule is None:
        return rule_id
    texts: dict[str, str] = getattr(rule, part)
    return texts.get(tongue.language, texts["en"])
