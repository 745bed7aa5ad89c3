"""The session that a request shows."""

from __future__ import annotations

from starlette.requests import Request

from tutela.provider.errors import SessionMissing


def bearer(request: Request) -> str:
    """Return the secret in the `Authorization` header.

    Raises:
        SessionMissing: there is none.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise SessionMissing("this needs a session", hint="Sign in at /v1/session and send `Authorization: Bearer …`.")
    return secret.strip()
