"""What a new list starts with. Every value is published in each epoch's manifest and may be set per list."""

from __future__ import annotations

from typing import Final

from tutela.wire.manifest import Action, Actions, Agreement, Parameters, Policy

#: No rule below this is accepted by a device: two authorities of different jurisdictions (promise 5).
LEAST_AUTHORITIES: Final = 2
LEAST_JURISDICTIONS: Final = 2

AGREEMENT: Final = Agreement(authorities=2, jurisdictions=2, same_item_distance=15, minimum_quality=50)
PARAMETERS: Final = Parameters(bands=6, band_bits=40, bands_needed=2, batch=288)
POLICY: Final = Policy(
    mode="shield",
    agreed=Actions(outgoing=Action.STOP, incoming=Action.STOP),
    attested=Actions(outgoing=Action.WARN, incoming=Action.WARN),
    unchecked=Actions(outgoing=Action.WARN, incoming=Action.WARN),
    cover_checks_per_day=6,
    checks_per_hour=300,
)
MERGE_FACTOR: Final = 4
