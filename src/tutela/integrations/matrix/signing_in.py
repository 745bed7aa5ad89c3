"""Signing in, and seeing to it that the account has an identity and that the identity vouches for this device.

Order matters: the device's keys go up, then the identity, then its signature on the device, and only then may the
first room key be shared. Other clients refuse for ever what was sent before. Between the uploads any status other
than 200 stops everything.
"""

from __future__ import annotations

import secrets
from typing import Any, Final
from urllib.parse import quote

from tutela.device.profile import Profile
from tutela.integrations.matrix import cross_signing
from tutela.integrations.matrix.api import MatrixApi, text
from tutela.integrations.matrix.cross_signing import PrivateIdentity
from tutela.integrations.matrix.errors import (
    BadKeySignature,
    IdentityElsewhere,
    MatrixError,
    OtherAccount,
    Refused,
    SignedOut,
    WrongPassword,
)
from tutela.integrations.matrix.identities import read_listing
from tutela.integrations.matrix.key_store import KeyStore, Seeds, Session
from tutela.integrations.matrix.machine import DATABASE, Machine
from tutela.integrations.matrix.own_device import OwnDevice
from tutela.integrations.matrix.signed_json import at
from tutela.wire.session import SignIn

_PASSWORD: Final = "m.login.password"  # noqa: S105


async def sign_in(api: MatrixApi, profile: Profile, *, user: str, password: str | None, device_name: str) -> OwnDevice:
    """Resume the profile's session, or start one with `password`.

    Raises:
        OtherAccount: the profile belongs to another account.
        SignedOut: the session has ended, and there is no password to start another.
        WrongPassword, Unreachable, Refused: the homeserver's answers.
        DamagedProfile, RecordUnavailable: the profile cannot be read.
    """
    store = KeyStore(profile)
    session = store.state.session
    if session is not None and (session.homeserver != api.homeserver or user not in _names(session.user_id)):
        raise OtherAccount(f"the profile belongs to {session.user_id}", hint="Choose another profile folder.")
    if session is not None and not (profile.folder / DATABASE).exists():
        session = None  # without its keys the device is nothing: become another one
        store.update(session=None, since=None, seen_record=0)
    if session is None or not await _still_valid(api, session):
        if password is None:
            raise SignedOut("there is no session to resume", status=401, errcode="M_MISSING_TOKEN", hint="Log in.")
        session = await _log_in(api, user, password, session.device_id if session else None, device_name)
        store.update(session=session)
    api.token = session.access_token
    machine = Machine(session.user_id, session.device_id, profile.folder, store.olm_passphrase)
    lost = store.state.seen_record not in (0, machine.seen_record)
    store.update(seen_record=machine.seen_record)
    return OwnDevice(api, machine, store, record_lost=lost)


async def establish_identity(
    device: OwnDevice,
    *,
    password: str | None,
    imported: PrivateIdentity | None = None,
    replace: bool = False,
) -> None:
    """Upload this device's keys, make or find the account's identity, and let it vouch for this device.

    Args:
        device: the signed-in device.
        password: needed where the homeserver asks for it, which it does when an identity is replaced.
        imported: the account's identity, handed over by another device.
        replace: make a new identity if the account has one that is not here. Everybody who talks to this account
            will be told that its keys changed.

    Raises:
        IdentityElsewhere: the account has an identity that this profile does not hold, and `replace` is false.
        WrongPassword, Refused, Unreachable: the homeserver's answers; nothing has been sent to any room yet.
    """
    await device.upload_keys()
    answer = await _own_keys(device)
    if device.device_id not in read_listing(device.user_id, answer).devices:
        # The homeserver forgot the device while we were away.
        device.machine.forget_upload()
        await device.upload_keys()
        answer = await _own_keys(device)
    identity = await _identity(device, answer, password, imported, replace)
    await _vouch(device, identity)
    device.directory.pins[device.user_id] = identity.public(device.user_id).master
    await device.look_up({device.user_id})
    if device.device_id not in {passing.device_id for passing in device.directory.passing(device.user_id)}:
        raise MatrixError("the homeserver does not show this device as signed", hint="Try again in a moment.")


async def openid_token(device: OwnDevice) -> SignIn:
    """Get a token that proves to a provider, by way of the homeserver, who this account is."""
    path = f"user/{quote(device.user_id, safe='')}/openid/request_token"
    answer = await device.api.post(path, {})
    return SignIn(matrix_server_name=text(answer, "matrix_server_name"), access_token=text(answer, "access_token"))


async def _identity(
    device: OwnDevice,
    answer: dict[str, Any],
    password: str | None,
    imported: PrivateIdentity | None,
    replace: bool,
) -> PrivateIdentity:
    state, user_id = device.store.state, device.user_id
    published = read_listing(user_id, answer).identity
    known = [seeds.identity() for seeds in (state.candidate, state.identity) if seeds]
    known = [imported, *known] if imported else known
    for identity in known:
        if published == identity.public(user_id):
            break
    else:
        if at(answer, "master_keys", user_id) is not None:
            if not replace:
                raise IdentityElsewhere(
                    f"{user_id} has cross-signing keys that are not in this profile",
                    hint="Export the identity on the other device and import it here, or replace it with a new one.",
                )
            known = []
        identity = known[0] if known else PrivateIdentity.generate(secrets.token_bytes)
        device.store.update(candidate=Seeds.of(identity))
        await _publish(device, identity, password)
    device.store.update(identity=Seeds.of(identity), candidate=None)
    return identity


async def _publish(device: OwnDevice, identity: PrivateIdentity, password: str | None) -> None:
    body = cross_signing.device_signing_upload(identity, device.user_id, device.device_id, device.machine.sign)
    path = "keys/device_signing/upload"
    try:
        await device.api.post(path, body)
    except Refused as refused:
        if refused.status != 401 or not refused.session:
            raise
        if [_PASSWORD] not in refused.flows:
            raise Refused(
                "the homeserver wants another proof than the password before it takes new keys",
                status=401,
                errcode=refused.errcode,
                hint="Confirm it in a client that can, then log in again.",
            ) from refused
        if password is None:
            raise WrongPassword(
                "the homeserver asks for the password before it takes new keys",
                status=401,
                errcode=refused.errcode,
                hint="Log in with the password.",
            ) from refused
        identifier = {"type": "m.id.user", "user": device.user_id}
        auth = {"type": _PASSWORD, "identifier": identifier, "password": password, "session": refused.session}
        await device.api.post(path, {**body, "auth": auth})


async def _vouch(device: OwnDevice, identity: PrivateIdentity) -> None:
    """Let the identity sign the device, unless it has done so."""
    keys = at(await _own_keys(device), "device_keys", device.user_id, device.device_id)
    if not isinstance(keys, dict):
        raise BadKeySignature("the homeserver does not list this device")
    found = cross_signing.read_device(device.user_id, device.device_id, keys)
    if (found.ed25519, found.curve25519) != (device.machine.ed25519, device.machine.curve25519):
        raise BadKeySignature("the homeserver lists other keys for this device than its own")
    try:
        cross_signing.verify_device(identity.public(device.user_id), keys)
    except BadKeySignature:
        body = cross_signing.device_signature_upload(identity, device.user_id, keys)
        answer = await device.api.post("keys/signatures/upload", body)
        if answer.get("failures"):
            raise BadKeySignature("the homeserver did not take the signature on this device") from None


async def _own_keys(device: OwnDevice) -> dict[str, Any]:
    return await device.api.post("keys/query", {"device_keys": {device.user_id: []}})


async def _still_valid(api: MatrixApi, session: Session) -> bool:
    api.token = session.access_token
    try:
        answer = await api.get("account/whoami")
    except SignedOut:
        api.token = None
        return False
    return answer.get("user_id") == session.user_id and answer.get("device_id") == session.device_id


async def _log_in(api: MatrixApi, user: str, password: str, device_id: str | None, device_name: str) -> Session:
    body: dict[str, Any] = {
        "type": _PASSWORD,
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
        "initial_device_display_name": device_name,
    }
    answer = await api.post("login", body if device_id is None else {**body, "device_id": device_id})
    return Session(api.homeserver, *(text(answer, name) for name in ("user_id", "device_id", "access_token")))


def _names(user_id: str) -> tuple[str, str]:
    return user_id, user_id.removeprefix("@").split(":")[0]
