"""Whom to trust: pinned master keys, devices that their owners vouch for, and who really sent a message. Pure.

A user's master key is pinned the first time it is seen. From then on only devices that the pinned master key vouches
for (master, self-signing, device) receive what this client sends. Another master key, or none, is a *change*: it is
told to the user, and nothing is sent to a room with that person until the user accepts it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tutela.integrations.matrix.cross_signing import (
    DeviceKeys,
    PublicIdentity,
    read_device,
    read_identity,
    verify_device,
)
from tutela.integrations.matrix.errors import MatrixError
from tutela.integrations.matrix.signed_json import JsonObject, at


class Standing(enum.StrEnum):
    """How a user's published identity compares with the pinned one."""

    ABSENT = "absent"
    """Neither pinned nor published: this user has not set up cross-signing."""
    FIRST = "first"
    """Published and not pinned yet."""
    PINNED = "pinned"
    CHANGED = "changed"
    """Another master key than the pinned one, or none any more."""


class SenderTrust(enum.StrEnum):
    """What is known of the device that sent a message."""

    VERIFIED = "verified"
    """A device that the sender's pinned identity vouches for, or this very device."""
    UNSIGNED = "unsigned"
    """A device of the sender for which no identity vouches: anybody who runs the homeserver could have added it."""
    UNKNOWN = "unknown"
    """A device that the homeserver does not list for the sender."""
    CHANGED = "changed"
    """The sender's identity changed and has not been accepted."""


@dataclass(frozen=True)
class Listing:
    """What the homeserver lists for one user, after checking. What does not verify is not in it."""

    user_id: str
    identity: PublicIdentity | None
    devices: Mapping[str, DeviceKeys]
    vouched: frozenset[str] = frozenset()
    """The devices that `identity` vouches for, by id."""


def read_listing(user_id: str, answer: JsonObject) -> Listing:
    """Take `user_id`'s keys out of a `keys/query` answer. Never raises: what does not verify is left out."""
    identity = None
    master, self_signing = (at(answer, name, user_id) for name in ("master_keys", "self_signing_keys"))
    if isinstance(master, dict) and isinstance(self_signing, dict):
        try:
            identity = read_identity(user_id, master, self_signing)
        except MatrixError:
            identity = None
    listed = at(answer, "device_keys", user_id)
    devices: dict[str, DeviceKeys] = {}
    vouched = set()
    for device_id, keys in listed.items() if isinstance(listed, dict) else ():
        if not isinstance(keys, dict):
            continue
        try:
            devices[device_id] = read_device(user_id, device_id, keys)
            if identity:
                verify_device(identity, keys)
                vouched.add(device_id)
        except MatrixError:
            continue
    return Listing(user_id, identity, devices, frozenset(vouched))


@dataclass
class Directory:
    """All listings of this session, and the pins, which outlive it."""

    pins: dict[str, str] = field(default_factory=dict)
    """Master keys by user, unpadded base64; empty where it was accepted that there is none any more."""
    listings: dict[str, Listing] = field(default_factory=dict)

    def standing(self, user_id: str) -> Standing:
        """Compare what `user_id` publishes with the pin."""
        pinned, published = self.pins.get(user_id), self.published(user_id)
        if not pinned and published is None:
            return Standing.ABSENT
        if pinned is None:
            return Standing.FIRST
        if user_id not in self.listings or pinned == published:
            return Standing.PINNED
        return Standing.CHANGED

    def published(self, user_id: str) -> str | None:
        """The master key that the homeserver lists for `user_id` now."""
        listing = self.listings.get(user_id)
        return listing.identity.master if listing and listing.identity else None

    def learn(self, listing: Listing) -> Standing:
        """Take in a new listing; pin a master key seen for the first time. Return the standing before pinning."""
        self.listings[listing.user_id] = listing
        standing = self.standing(listing.user_id)
        if standing is Standing.FIRST and listing.identity:
            self.pins[listing.user_id] = listing.identity.master
        return standing

    def accept(self, user_id: str, master: str | None) -> None:
        """Pin `master` in place of the old key; `None`: there is none any more, and the next one is a change again."""
        self.pins[user_id] = master or ""

    def changed(self, users: Iterable[str]) -> tuple[str, ...]:
        """Those of `users` whose identity changed and was not accepted, sorted."""
        return tuple(sorted(user for user in users if self.standing(user) is Standing.CHANGED))

    def passing(self, user_id: str) -> tuple[DeviceKeys, ...]:
        """The devices of `user_id` that the pinned identity vouches for: nobody else is sent a room key."""
        listing = self.listings.get(user_id)
        if listing is None or self.standing(user_id) is not Standing.PINNED:
            return ()
        return tuple(listing.devices[device_id] for device_id in sorted(listing.vouched))

    def failing(self, user_id: str) -> frozenset[str]:
        """The ids of `user_id`'s devices that are left out."""
        listing = self.listings.get(user_id)
        passing = {device.device_id for device in self.passing(user_id)}
        return frozenset(listing.devices if listing else ()) - passing

    def sender(self, user_id: str, curve25519: str, ed25519: str) -> SenderTrust | None:
        """Say what is known of the device with these keys that sent a message as `user_id`.

        `None`: the device belongs to somebody else, or its keys do not belong together. Such a message is forged.
        """
        listing = self.listings.get(user_id)
        own = [device for device in listing.devices.values() if device.curve25519 == curve25519] if listing else []
        if not own:
            # The sender's own listing comes first, because anybody can list a copy of somebody's public key.
            others = (device for other in self.listings.values() for device in other.devices.values())
            return None if any(device.curve25519 == curve25519 for device in others) else SenderTrust.UNKNOWN
        device = next((device for device in own if device.ed25519 == ed25519), None)
        if device is None:
            return None
        if self.standing(user_id) is Standing.CHANGED:
            return SenderTrust.CHANGED
        return SenderTrust.VERIFIED if device in self.passing(user_id) else SenderTrust.UNSIGNED
