"""The life of the OPRF key: it outlives epochs, is rotated yearly or after a compromise, and overlaps with the next.

A rotated key keeps answering until it *retires*, for devices that still hold an older epoch. After a compromise it
retires at once. A published time of retirement may come earlier, never later.
"""

from __future__ import annotations

from dataclasses import dataclass

from tutela.lists.errors import BuildRefused
from tutela.matching import voprf
from tutela.wire.manifest import Manifest, OprfKey


@dataclass(frozen=True)
class RetiringKey:
    """A key that only answers any more, and until when."""

    pair: voprf.KeyPair
    retires: str


@dataclass(frozen=True)
class KeyRing:
    """The key that filters are built with, and those still answering, the newest first. Holds secrets."""

    current: voprf.KeyPair
    retiring: tuple[RetiringKey, ...] = ()

    def rotated(self, new: voprf.KeyPair, *, retires: str) -> KeyRing:
        """Return the ring with a new current key; the one before answers until `retires`, and no older one longer.

        Raises:
            BuildRefused: the new key was on the ring before.
        """
        if new.public in {self.current.public, *(key.pair.public for key in self.retiring)}:
            raise BuildRefused("a rotation needs a new key")
        older = tuple(RetiringKey(key.pair, min(key.retires, retires)) for key in self.retiring)
        return KeyRing(new, (RetiringKey(self.current, retires), *older))

    def published(self, at: str) -> tuple[OprfKey, ...]:
        """Return the public keys as a manifest of time `at` names them.

        A key that retires at that very time is still named, so that everybody sees it go.
        """
        return (
            public_key(self.current, None),
            *(public_key(key.pair, key.retires) for key in self.retiring if key.retires >= at),
        )

    def answering(self, at: str) -> dict[str, voprf.KeyPair]:
        """Return the key pairs that answer at time `at`, by id."""
        pairs = [self.current, *(key.pair for key in self.retiring if key.retires > at)]
        return {voprf.key_id(pair.public): pair for pair in pairs}


def rotated_until(before: Manifest, after: Manifest) -> str | None:
    """Return when the key of `before` retires if `after`, which follows it, has a new one; else `None`."""
    old = before.keys[0].id
    if after.keys[0].id == old:
        return None
    return next((key.retires for key in after.keys if key.id == old), None) or after.created


def public_key(pair: voprf.KeyPair, retires: str | None) -> OprfKey:
    """Return what a manifest says about a key."""
    return OprfKey(id=voprf.key_id(pair.public), public=pair.public.hex(), retires=retires)
