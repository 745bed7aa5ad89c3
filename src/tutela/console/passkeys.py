"""Passkeys (WebAuthn, by `webauthn`): making one, signing in with it, and confirming one act with it.

What the authenticator signs is always a challenge that was given for just this: for signing in a ticket, else one that
`StaffStore` keeps with its purpose. The user is always verified (a finger, a PIN), never merely present. A passkey
whose count goes backwards exists twice somewhere: it is refused, and the audit log says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from tutela.console.site import Site
from tutela.console.tickets import Tickets
from tutela.provider.errors import PasskeyRefused
from tutela.provider.review.people import Person
from tutela.provider.review.staff import CHALLENGE, KnownPasskey, StaffStore

_REQUIRED: Final = UserVerificationRequirement.REQUIRED
#: An answer is some kilobytes at most.
_BYTES: Final = 32 << 10
_log: Final = logging.getLogger("tutela.console")


@dataclass(frozen=True)
class Passkeys:
    """The passkeys of one console."""

    staff: StaffStore
    site: Site
    tickets: Tickets

    def registration(self, invitation: str) -> str:
        """Return what a browser needs to make a passkey for whoever was invited (JSON).

        Raises:
            InvitationSpent: nobody was, any more.
        """
        person = self.staff.invited(invitation)
        options = webauthn.generate_registration_options(
            rp_id=self.site.rp_id,
            rp_name="Tutela",
            user_id=person.id.encode(),
            user_name=person.name,
            user_display_name=person.name,
            challenge=self.staff.challenge(_registering(person)),
            timeout=CHALLENGE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
            ),
            exclude_credentials=_descriptors(self.staff.passkeys_of(person.id)),
        )
        return webauthn.options_to_json(options)

    def register(self, invitation: str, answer: str) -> Person:
        """Keep the passkey that was made, and return whose it is. The invitation is spent.

        Raises:
            InvitationSpent: as `registration`.
            PasskeyRefused: the answer does not hold.
        """
        person = self.staff.invited(invitation)
        challenge = _challenge_in(answer)
        self.staff.spend(challenge, _registering(person))
        try:
            made = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self.site.rp_id,
                expected_origin=self.site.origin,
                require_user_verification=True,
            )
        except Exception as error:  # it parses a stranger's bytes, and names only some of what can be wrong
            raise _refused(error) from error
        return self.staff.register(
            invitation, bytes_to_base64url(made.credential_id), made.credential_public_key, made.sign_count
        )

    def signing_in(self) -> str:
        """Return what a browser needs to sign in (JSON); which passkey, the person chooses there."""
        return self._asking(self.tickets.give(), ())

    def sign_in(self, answer: str) -> str:
        """Return the id of whoever answered.

        Raises:
            PasskeyRefused: the answer does not hold.
        """
        challenge = _challenge_in(answer)
        self.tickets.check(challenge)
        passkey = self._verified(answer, challenge)
        self.tickets.take(challenge)
        return passkey.staff

    def confirming(self, person: Person, act: str) -> str:
        """Return what a browser needs to confirm `act` with a passkey of `person` (JSON)."""
        return self._asking(self.staff.challenge(_confirming(person, act)), self.staff.passkeys_of(person.id))

    def confirm(self, person: Person, act: str, answer: str) -> None:
        """Go on only if `person` has just confirmed this very act.

        Raises:
            PasskeyRefused: they have not: another act, another person, an answer that does not hold, or none.
        """
        if not answer:
            raise PasskeyRefused("this was not confirmed with a passkey", hint="Send it again, and confirm it.")
        challenge = _challenge_in(answer)
        self.staff.spend(challenge, _confirming(person, act))
        self._verified(answer, challenge, of=person)

    def _asking(self, challenge: bytes, passkeys: Sequence[str]) -> str:
        options = webauthn.generate_authentication_options(
            rp_id=self.site.rp_id,
            challenge=challenge,
            timeout=CHALLENGE,
            allow_credentials=_descriptors(passkeys),
            user_verification=_REQUIRED,
        )
        return webauthn.options_to_json(options)

    def _verified(self, answer: str, challenge: bytes, of: Person | None = None) -> KnownPasskey:
        credential = _parsed(answer)
        passkey = self.staff.passkey(bytes_to_base64url(credential.raw_id))
        handle = credential.response.user_handle
        if (of is not None and passkey.staff != of.id) or handle not in (None, passkey.staff.encode()):
            raise PasskeyRefused("this is somebody else's passkey", hint="Use your own.")
        try:
            verified = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self.site.rp_id,
                expected_origin=self.site.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,  # compared below: a count says something only under a good signature
                require_user_verification=True,
            )
        except Exception as error:  # as above
            raise _refused(error) from error
        count = verified.new_sign_count
        if (count or passkey.sign_count) and count <= passkey.sign_count:
            self.staff.suspect(passkey)
            raise PasskeyRefused("there may be a copy of this passkey", hint="Ask an admin for a new invitation.")
        self.staff.used(passkey, count)
        return passkey


def _registering(person: Person) -> str:
    return f"register {person.id}"


def _confirming(person: Person, act: str) -> str:
    return f"confirm {person.id} {act}"


def _descriptors(passkeys: Sequence[str]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey)) for passkey in passkeys]


def _parsed(answer: str) -> AuthenticationCredential:
    try:
        return parse_authentication_credential_json(answer)
    except Exception as error:  # as above
        raise _refused(error) from error


def _challenge_in(answer: str) -> bytes:
    """Return the challenge that an answer says it signs; whether it does is not known yet."""
    try:
        if len(answer) > _BYTES:
            raise ValueError("too long")
        client = json.loads(base64url_to_bytes(json.loads(answer)["response"]["clientDataJSON"]))
        if client.get("crossOrigin"):  # the library does not look: within a page of somebody else's
            raise ValueError("cross-origin")
        return base64url_to_bytes(client["challenge"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refused(error) from error


def _refused(error: Exception) -> PasskeyRefused:
    if not isinstance(error, WebAuthnException | ValueError | TypeError | KeyError):
        _log.warning("a passkey's answer could not be read", exc_info=error)
    return PasskeyRefused("this passkey's answer does not hold", hint="Try again.")
