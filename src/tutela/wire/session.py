"""Signing in: a Matrix OpenID token exchanged for a short session at the provider."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tutela.wire.document import Document


class SignIn(Document, frozen=True):
    """What a device sends: an OpenID token, and the homeserver that issued it."""

    matrix_server_name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class Session(Document, frozen=True):
    """What the provider answers. `session` goes into the `Authorization: Bearer` header."""

    session: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class Problem(Document, frozen=True):
    """Every error that the provider answers has this form."""

    code: str
    message: str
    hint: str | None = None
    item: int | msgspec.UnsetType = msgspec.UNSET
    """Which of several things that were sent it is about, counted from 0; mostly not there."""
