"""Short sessions: 32 random bytes, of which only a digest is kept."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from tutela.matching.voprf import RandomBytes
from tutela.provider import tables
from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import SessionExpired, SessionUnknown, TokenReplayed
from tutela.wire.session import Session, SignIn

# Two prefixes, so that no sign-in token's digest can ever stand for a session's, nor for one at another homeserver.
_SESSION: Final = b"tutela/session/1\x00"
_TOKEN: Final = b"tutela/openid-token/1\x00"
_SESSION_BYTES: Final = 32

_SIGN_IN_AGAIN: Final = "Sign in again at /v1/session."


def token_digest(sign_in: SignIn) -> str:
    """Return what is kept of a sign-in token: its digest, with its homeserver's name."""
    server = sign_in.matrix_server_name.encode()
    head = _TOKEN + len(server).to_bytes(2, "big") + server
    return hashlib.sha256(head + sign_in.access_token.encode()).hexdigest()


@dataclass(frozen=True)
class Sessions:
    """Begins sessions and recognises them. Safe to share between threads."""

    database: Database
    clock: Clock
    random: RandomBytes
    session_seconds: int
    sessions_per_account: int
    spent_token_seconds: int

    def check_unspent(self, digest: str) -> None:
        """Raise `TokenReplayed` if a token with this digest was exchanged before (a cheap first look)."""
        with self.database.reading() as connection:
            if connection.scalar(select(tables.SpentToken.digest).where(tables.SpentToken.digest == digest)):
                raise _replayed()

    def begin(self, account: str, digest: str) -> Session:
        """Spend the token with this digest and begin a session; the account's oldest ones end.

        Raises:
            TokenReplayed: the token was exchanged before, or is so at this very moment.
        """
        now = self.clock()
        secret = base64.urlsafe_b64encode(self.random(_SESSION_BYTES)).rstrip(b"=").decode()
        row = tables.Session
        try:
            with self.database.writing() as connection:
                connection.execute(
                    insert(tables.SpentToken).values(digest=digest, forget=now + 1000 * self.spent_token_seconds)
                )
                newest = (
                    select(row.digest)
                    .where(row.account == account)
                    .order_by(row.expires.desc(), row.digest)
                    .limit(self.sessions_per_account - 1)
                )
                kept = connection.scalars(newest).all()
                connection.execute(delete(row).where(row.account == account, row.digest.not_in(kept)))
                connection.execute(
                    insert(row).values(
                        digest=_session_digest(secret), account=account, expires=now + 1000 * self.session_seconds
                    )
                )
        except IntegrityError as error:
            raise _replayed() from error
        return Session(session=secret, account=account, expires_in=self.session_seconds)

    def account_of(self, secret: str) -> str:
        """Return whose session this is.

        Raises:
            SessionUnknown, SessionExpired: nobody's, any more.
        """
        row = tables.Session
        with self.database.reading() as connection:
            found = connection.execute(
                select(row.account, row.expires).where(row.digest == _session_digest(secret))
            ).one_or_none()
        if found is None:
            raise SessionUnknown("this session is not known here", hint=_SIGN_IN_AGAIN)
        if found.expires <= self.clock():
            raise SessionExpired("this session is over", hint=_SIGN_IN_AGAIN)
        account: str = found.account
        return account


def _session_digest(secret: str) -> str:
    return hashlib.sha256(_SESSION + secret.encode()).hexdigest()


def _replayed() -> TokenReplayed:
    return TokenReplayed(
        "this sign-in token was exchanged before", hint="Ask the homeserver for a new OpenID token: each serves once."
    )
