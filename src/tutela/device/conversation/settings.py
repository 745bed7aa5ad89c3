"""Who the guard speaks to, and how much: the user's own setting, within what the policy says for a child's account.

The age group is set on the device, by its user or by who set the account up. It is never sent: no provider,
homeserver or other person learns it.
"""

from __future__ import annotations

import enum

import msgspec

from tutela.signals.conversation.decision import Level


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


def lowest_shown(settings: Settings, limits: Limits) -> Level | None:
    """Return the lowest level that is shown, or `None` where the guard is off."""
    allowed = ADULTS if settings.group is AgeGroup.ADULT else limits
    chosen = settings.lowest if settings.lowest is not None else allowed.at_first
    if chosen is Level.QUIET:
        return None if allowed.may_switch_off else allowed.at_most
    return min(chosen, allowed.at_most)
