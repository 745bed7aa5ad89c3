"""Who the guard speaks to, and how much: the user's own setting, within what the policy says for a child's account.

The age group is set on the device, by its user or by who set the account up. It is never sent: no provider,
homeserver or other person learns it.
"""

from __future__ import annotations

import enum

import msgspec

from tutela.signals.conversation.decision import Level
from tutela.wire.manifest import Policy


class AgeGroup(enum.StrEnum):
    """In whose words the guard speaks."""

    CHILD = "child"
    """Under 13."""
    TEEN = "teen"
    """From 13 to 17."""
    ADULT = "adult"

    @property
    def age(self) -> int | None:
        """An age that stands for a group of children."""
        return {AgeGroup.CHILD: 11, AgeGroup.TEEN: 15}.get(self)


class Limits(msgspec.Struct, frozen=True):
    """What a policy says for one age group in one jurisdiction."""

    at_first: Level = Level.TIP
    """The lowest level that is shown until the user says otherwise."""
    at_most: Level = Level.WARNING
    """The user can make the guard quieter up to this: only `at_most` and above is shown then."""
    may_switch_off: bool = False


#: Before any policy was verified on the device.
CAREFUL = Limits()
ADULTS = Limits(at_first=Level.NUDGE, may_switch_off=True)


class Settings(msgspec.Struct, frozen=True):
    """What the user chose. `lowest` is `None` while they chose nothing; `QUIET` switches the guard off."""

    group: AgeGroup = AgeGroup.TEEN
    lowest: Level | None = None
    speaks_for_sender: bool = True
    """Whether the brake on the user's own messages is on; it can always be switched off by an adult."""
    jurisdiction: str | None = None
    """The country by whose rules a child's account goes (ISO 3166-1), set on the device like the group, never sent."""


def limits_of(policy: Policy | None, settings: Settings) -> Limits:
    """Return what a verified policy says for this account; careful defaults where it says nothing, or there is none."""
    if policy is None or policy.conversations is msgspec.UNSET:
        return CAREFUL
    rules = {rule.jurisdiction: rule for rule in policy.conversations if rule.group.value == settings.group.value}
    rule = rules.get(settings.jurisdiction) or rules.get(None)
    if rule is None:
        return CAREFUL
    return Limits(Level[rule.at_first.name], Level[rule.at_most.name], rule.may_switch_off)


def allowed_to(settings: Settings, limits: Limits) -> Limits:
    """Return what this account's user may choose: an adult everything, a child what the policy says."""
    return ADULTS if settings.group is AgeGroup.ADULT else limits


def lowest_shown(settings: Settings, limits: Limits) -> Level | None:
    """Return the lowest level that is shown, or `None` where the guard is off."""
    allowed = allowed_to(settings, limits)
    chosen = settings.lowest if settings.lowest is not None else allowed.at_first
    if chosen is Level.QUIET:
        return None if allowed.may_switch_off else allowed.at_most
    return min(chosen, allowed.at_most)
