"""What a new list starts with. Every value is published in each epoch's manifest and may be set per list."""

from __future__ import annotations

from typing import Final

from tutela.wire.manifest import (
    Action,
    Actions,
    Agreement,
    ChildGroup,
    ConversationRule,
    ConversationRules,
    Heard,
    Parameters,
    Policy,
)

#: No rule below this is accepted by a device: two authorities of different jurisdictions (promise 5).
LEAST_AUTHORITIES: Final = 2
LEAST_JURISDICTIONS: Final = 2

AGREEMENT: Final = Agreement(authorities=2, jurisdictions=2, same_item_distance=15, minimum_quality=50)
PARAMETERS: Final = Parameters(bands=6, band_bits=40, bands_needed=2, batch=288)

#: Where everybody from 13 on may agree to an online service alone (docs/decisions/0019, with the source of each).
#: Where the age is higher, part of the group from 13 to 17 is below it, so a device's careful defaults hold.
DECIDES_FROM_13: Final = ("BE", "EE", "FI", "GB", "LV", "MT", "PT", "SE", "US")


def _conversations() -> ConversationRules:
    """Return what a child's account may change: less below 13, where no law that we know lets a child decide alone."""
    child = ConversationRule(
        group=ChildGroup.CHILD, jurisdiction=None, at_first=Heard.TIP, at_most=Heard.NUDGE, may_switch_off=False
    )
    teens = (
        ConversationRule(
            group=ChildGroup.TEEN, jurisdiction=where, at_first=Heard.TIP, at_most=Heard.WARNING, may_switch_off=True
        )
        for where in DECIDES_FROM_13
    )
    return (child, *teens)


POLICY: Final = Policy(
    mode="shield",
    agreed=Actions(outgoing=Action.STOP, incoming=Action.STOP),
    attested=Actions(outgoing=Action.WARN, incoming=Action.WARN),
    unchecked=Actions(outgoing=Action.WARN, incoming=Action.WARN),
    cover_checks_per_day=6,
    checks_per_hour=300,
    conversations=_conversations(),
)
MERGE_FACTOR: Final = 4
