"""The published review policy: rules, times and how many people an act needs. Data, read once and checked."""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tutela.language import LANGUAGES
from tutela.provider.errors import SettingsError, WrongDecision
from tutela.wire.report import ReportReason

_MINUTE: Final = 60_000
_DAY: Final = 86_400_000


class Urgency(enum.IntEnum):
    """How soon a case must be decided. The most urgent sorts first."""

    IMMINENT = 0
    CONTACT = 1
    DISTRIBUTION = 2
    OTHER = 3

    @property
    def word(self) -> str:
        """Its name in policies and addresses."""
        return self.name.lower()


class ActionKind(enum.StrEnum):
    """What a decision can do."""

    NO_ACTION = "no-action"
    MORE_NEEDED = "more-needed"
    WARN = "warn"
    QUARANTINE_MEDIUM = "quarantine-medium"
    LOCK = "lock"
    """The account cannot do anything until it is unlocked; nothing of it is lost."""
    SUSPEND = "suspend"
    """The account can read and leave, and not write."""
    BAN = "ban"
    DISCLOSE = "disclose"
    """To those whose work it is to protect children."""


_URGENCIES: Final = {
    ReportReason.ASKED_FOR_PICTURES: Urgency.CONTACT,
    ReportReason.THREATENED: Urgency.CONTACT,
    ReportReason.WANTS_TO_MEET: Urgency.CONTACT,
    ReportReason.WORRIED_ABOUT_A_FRIEND: Urgency.CONTACT,
    ReportReason.SAW_ABUSE: Urgency.DISTRIBUTION,
    ReportReason.SOMETHING_ELSE: Urgency.OTHER,
}


def urgency_of(reason: ReportReason, *, danger_now: bool) -> Urgency:
    """Return how urgent a report is by its own words; a reviewer may see it otherwise."""
    return Urgency.IMMINENT if danger_now else _URGENCIES[reason]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


Minutes = Annotated[int, msgspec.Meta(ge=1, le=60 * 24 * 30)]


class Times(_Part, frozen=True):
    """Minutes within which a case of each urgency is decided."""

    imminent: Minutes
    contact: Minutes
    distribution: Minutes
    other: Minutes

    def of(self, urgency: Urgency) -> int:
        """Return the minutes for one urgency."""
        return (self.imminent, self.contact, self.distribution, self.other)[urgency]


class Staffing(_Part, frozen=True):
    """When there is somebody who reads. `days`: 1 is Monday."""

    zone: str
    from_: Annotated[time, msgspec.Meta(tz=False)] = msgspec.field(name="from")
    until: Annotated[time, msgspec.Meta(tz=False)]
    days: Annotated[tuple[Annotated[int, msgspec.Meta(ge=1, le=7)], ...], msgspec.Meta(min_length=1)]
    on_call: bool


class TwoPeople(_Part, frozen=True):
    """The acts that two people decide, and the cases that two people close where nothing is done."""

    actions: frozenset[ActionKind]
    dismissals: frozenset[Literal["imminent", "contact", "distribution", "other"]]


class Urgent(_Part, frozen=True):
    """What one person may do at once in imminent danger, and after how many hours it ends by itself."""

    actions: frozenset[ActionKind]
    hours: Annotated[int, msgspec.Meta(ge=1, le=72)]


class BadFaith(_Part, frozen=True):
    """After how many reports made to harm somebody a reporter's next ones wait behind others."""

    reports: Annotated[int, msgspec.Meta(ge=2)]
    days: Annotated[int, msgspec.Meta(ge=1, le=366)]


class Wellness(_Part, frozen=True):
    """How much of what was reported somebody may look at unblurred: in a day, and before a break."""

    views: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    seconds_until_break: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    break_minutes: Annotated[int, msgspec.Meta(ge=1, le=720)]


class Sampling(_Part, frozen=True):
    """Which share of the decided cases somebody decides a second time, without seeing the first decision."""

    share: Annotated[float, msgspec.Meta(ge=0, le=1)]


class Rule(_Part, frozen=True):
    """One rule of the service. Texts by language; English is always there."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,63}\Z")]
    actions: Annotated[tuple[ActionKind, ...], msgspec.Meta(min_length=1)]
    title: dict[str, str]
    text: dict[str, str]


#: What leaves a child as alone as before.
TURNED_AWAY: Final = frozenset({ActionKind.NO_ACTION, ActionKind.MORE_NEEDED, ActionKind.WARN})
#: What no policy may leave to one person.
ALWAYS_TWO: Final = frozenset({ActionKind.BAN, ActionKind.DISCLOSE})


class Policy(_Part, frozen=True, dict=True):
    """The whole policy."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    minutes: Times
    staffing: Staffing
    two_people: TwoPeople
    urgent: Urgent
    bad_faith: BadFaith
    wellness: Wellness
    sampling: Sampling
    rules: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1)]

    def rule(self, rule_id: str) -> Rule | None:
        """Return the rule of this id, if there is one."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def check_choice(self, rule_id: str, actions: Sequence[ActionKind]) -> None:
        """Go on only with actions that the rule allows, and that go together.

        Raises:
            WrongDecision: there is no such rule, it does not allow them, or there is none.
        """
        rule = self.rule(rule_id)
        if rule is None:
            known = ", ".join(rule.id for rule in self.rules)
            raise WrongDecision(f"the policy has no rule {rule_id!r:.80}", hint=f"It has {known}.")
        if not actions or len(set(actions)) != len(actions):
            raise WrongDecision("choose at least one action, and each once")
        if beyond := [action for action in actions if action not in rule.actions]:
            raise WrongDecision(f"the rule {rule.id} does not allow: {', '.join(beyond)}")
        if len(actions) > 1 and {ActionKind.NO_ACTION, ActionKind.MORE_NEEDED} & set(actions):
            raise WrongDecision("doing nothing, or asking for more, cannot be joined with other actions")

    def needs_two(self, actions: Collection[ActionKind], urgency: Urgency) -> bool:
        """Whether two people must decide on `actions` in a case of this urgency."""
        if set(actions) & (self.two_people.actions | self.urgent.actions):
            return True
        return set(actions) <= TURNED_AWAY and urgency.word in self.two_people.dismissals

    def may_act_at_once(self, actions: Collection[ActionKind], urgency: Urgency) -> bool:
        """Whether one person may do `actions` now, until a second confirms them or they end by themselves."""
        return urgency is Urgency.IMMINENT and bool(actions) and set(actions) <= self.urgent.actions

    def due(self, urgency: Urgency, now: int) -> int:
        """Return when a case that becomes known at `now` (milliseconds) must have been decided."""
        return now + self.read_within(urgency, now) * _MINUTE

    def read_within(self, urgency: Urgency, now: int) -> int:
        """Return within how many minutes somebody will have read it.

        Nights and free days put it off: what would be due while nobody is there is due when somebody comes.
        """
        minutes = self.nobody_for(urgency, now) + self.minutes.of(urgency)
        return minutes + self.nobody_for(urgency, now + minutes * _MINUTE)

    def nobody_for(self, urgency: Urgency, now: int) -> int:
        """Return for how many minutes there is nobody to read a report of this urgency; 0 if somebody is there."""
        return 0 if urgency is Urgency.IMMINENT and self.staffing.on_call else self._until_staffed(now)

    def _until_staffed(self, now: int) -> int:
        staffing = self.staffing
        local = datetime.fromtimestamp(now / 1000, UTC).astimezone(self._zone)
        for ahead in range(8):
            day = local.date() + timedelta(days=ahead)
            if day.isoweekday() not in staffing.days:
                continue
            opens = datetime.combine(day, staffing.from_, self._zone)
            closes = datetime.combine(day, staffing.until, self._zone)
            if local < opens:
                # In UTC: the difference of two local times ignores that clocks are changed between them.
                return round((opens.astimezone(UTC) - local.astimezone(UTC)).total_seconds() / 60)
            if local < closes:
                return 0
        raise AssertionError("unreachable")  # pragma: no cover (`days` is not empty)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.staffing.zone)


def load(path: Path | None = None) -> Policy:
    """Read the policy in `path`, or the one that ships.

    Raises:
        SettingsError: no such file, not TOML, or not a policy that can work.
    """
    source = path if path is not None else resources.files("tutela.provider.review") / "policy.toml"
    try:
        policy = msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), Policy)
        _check(policy)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the review policy in {source}: {error}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise SettingsError(
            f"the review policy in {source} cannot be used: {error}", hint="docs/review.md describes its parts."
        ) from error
    return policy


def _check(policy: Policy) -> None:
    try:
        policy._zone  # noqa: B018 (read once, so that a wrong name is found here)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {policy.staffing.zone!r}") from error
    if policy.staffing.from_ >= policy.staffing.until:
        raise ValueError("`staffing.from` must come before `staffing.until`")
    if missing := ALWAYS_TWO - policy.two_people.actions:
        raise ValueError(f"`two_people.actions` must hold {', '.join(sorted(missing))}")
    if twice := policy.urgent.actions & policy.two_people.actions:
        raise ValueError(f"{', '.join(sorted(twice))} cannot both need two people and be urgent acts of one")
    if policy.wellness.seconds_until_break > policy.wellness.seconds:
        raise ValueError("`wellness.seconds_until_break` must not be over `wellness.seconds`, those of a whole day")
    if len({rule.id for rule in policy.rules}) != len(policy.rules):
        raise ValueError("two rules have one id")
    for rule in policy.rules:
        for texts in (rule.title, rule.text):
            if "en" not in texts or not all(texts.values()):
                raise ValueError(f"rule {rule.id} needs a title and a text, in English at least")
            if unknown := texts.keys() - set(LANGUAGES):
                raise ValueError(f"rule {rule.id} has texts in {', '.join(sorted(unknown))}, which nobody here reads")
