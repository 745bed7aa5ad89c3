"""Carrying out decisions at a Synapse homeserver, through its admin API (tried with 1.163).

Everything here can be done again without another effect: accounts and media are looked at first and changed only if
they are not as decided, and messages are searched for before they are sent (`notices`).
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from tutela.integrations.matrix.admin_api import AdminApi, Denied, token_in
from tutela.integrations.matrix.notices import Notices
from tutela.provider.errors import EnforcerError, EnforcerRefused, SettingsError
from tutela.provider.review import outbox
from tutela.provider.review.acting import PendingAction, Worker
from tutela.provider.review.secret import load
from tutela.provider.service import Provider
from tutela.provider.settings import Settings

_ADMIN: Final = "/_synapse/admin"
#: What is done to an account: which of its flags, as it is named, and what it must be.
_FLAGS: Final = {
    outbox.LOCK: ("locked", True),
    outbox.UNLOCK: ("locked", False),
    outbox.SUSPEND: ("suspended", True),
    outbox.UNSUSPEND: ("suspended", False),
}
_TOLD: Final = (outbox.STATEMENT, outbox.CORRECTION, outbox.CONFIRMATION)
#: What takes something back can be done to anybody.
_TAKES_BACK: Final = (outbox.UNLOCK, outbox.UNSUSPEND, outbox.CORRECTION)


class SynapseEnforcer:
    """Acts at one homeserver, with the token of its service account, which is an admin there."""

    def __init__(self, api: AdminApi, server: str, secret: bytes) -> None:
        """`server` is the homeserver's name; from `secret` come the names of the rooms in which people are told."""
        self._api = api
        self._server = server
        self._notices = Notices(api, server, secret)

    async def perform(self, action: PendingAction) -> None:
        """See `acting.Enforcer`."""
        if action.kind in (outbox.QUARANTINE, outbox.UNQUARANTINE):
            await self._act_on_medium(action)
            return
        service = await self._service()
        account = await self._account(action, service)
        if action.kind in _TOLD:
            if account.get("deactivated") is True:
                raise EnforcerRefused(f"the account {action.target} is closed: nobody can be told anything there")
            await self._notices.send(service, action.target, action.id, action.text)
        else:
            await self._act_on_account(action, account)

    async def _service(self) -> str:
        """Return the service account: whose token it is."""
        service = str((await self._api.request("GET", "/_matrix/client/v3/account/whoami")).get("user_id", ""))
        if service.partition(":")[2] != self._server:
            raise EnforcerError(
                f"the service account is {service}, which is none of {self._server}",
                hint="`enforcer_homeserver`, `enforcer_address` and `enforcer_token_file` must be of one homeserver.",
            )
        return service

    async def _account(self, action: PendingAction, service: str) -> dict[str, Any]:
        """Return the homeserver's record of an account, having made sure that it may be acted on."""
        target = action.target
        server = target.partition(":")[2]
        if not target.startswith("@") or server != self._server:
            raise EnforcerRefused(
                f"{target} is an account of {server or 'no homeserver'}, and cannot be acted on from {self._server}",
                hint="Files that it sent can be quarantined here; about it, write to that server's administrators.",
            )
        try:
            # Looked up always: to change an account that is not there would make it.
            account = await self._api.request("GET", f"{_ADMIN}/v2/users/{quote(target, safe='')}")
        except Denied as error:
            if error.errcode == "M_NOT_FOUND":
                raise EnforcerRefused(f"there is no account {target}") from error
            raise
        protected = target == service or account.get("admin") is True
        if protected and action.kind not in _TAKES_BACK:
            who = "the service account" if target == service else "an admin of the homeserver"
            raise EnforcerRefused(
                f"{target} is {who}: nothing is done to it from here",
                hint="Whoever runs the homeserver can take its rights away first.",
            )
        return account

    async def _act_on_account(self, action: PendingAction, account: dict[str, Any]) -> None:
        flag, wanted = _FLAGS[action.kind]
        if account.get(flag) is wanted:
            return
        name = quote(action.target, safe="")
        if action.kind == outbox.LOCK:
            await self._check_locks_hold()
        if flag == "locked":
            await self._api.request("PUT", f"{_ADMIN}/v2/users/{name}", {"locked": wanted})
        else:
            await self._api.request("PUT", f"{_ADMIN}/v1/suspend/{name}", {"suspend": wanted})

    async def _check_locks_hold(self) -> None:
        try:
            await self._api.request("GET", "/_matrix/client/v1/auth_metadata")
        except Denied as error:
            if error.status == 404:
                return
            raise
        # As its code of 1.163 has it: where another service keeps the sessions, Synapse's lock is noted and never read.
        raise EnforcerRefused(
            "accounts are kept by Matrix Authentication Service, where Synapse's lock has no effect",
            hint="Lock the account there.",
        )

    async def _act_on_medium(self, action: PendingAction) -> None:
        found = outbox.MEDIUM.fullmatch(action.target)
        if found is None:
            raise EnforcerRefused(f"{action.target!r:.120} is not the address of a medium")
        name = "/".join(quote(part, safe="") for part in found.groups())
        try:
            medium = (await self._api.request("GET", f"{_ADMIN}/v1/media/{name}")).get("media_info")
        except Denied as error:
            if error.errcode == "M_NOT_FOUND":
                raise EnforcerRefused(f"there is no copy of {action.target} here") from error
            raise
        if not isinstance(medium, dict):
            raise EnforcerError("the homeserver's answer lacks 'media_info'")
        by = medium.get("quarantined_by")
        if action.kind == outbox.QUARANTINE:
            if by is not None:
                return
            if medium.get("sha256") not in {_hexadecimal(digest) for digest in action.text.split()}:
                raise EnforcerRefused(
                    f"{action.target} is not, or not known to be, the file that was sent: its SHA-256 is another",
                    hint="A message can name any address. Whoever runs the homeserver can look, and quarantine it.",
                )
            if medium.get("safe_from_quarantine"):
                raise EnforcerRefused(f"{action.target} is protected from quarantine by an admin of the homeserver")
            await self._api.request("POST", f"{_ADMIN}/v1/media/quarantine/{name}", {})
        elif by is not None:
            if by != await self._service():
                raise EnforcerRefused(f"{action.target} was quarantined by {by}, who can lift it")
            await self._api.request("POST", f"{_ADMIN}/v1/media/unquarantine/{name}", {})


def _hexadecimal(digest: str) -> str:
    """Return a digest that a message writes in base64 without padding as the homeserver writes it."""
    try:
        return base64.b64decode(digest + "=" * (-len(digest) % 4), validate=True).hex()
    except ValueError:
        return ""


def acting(
    settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None
) -> Callable[[Provider], AbstractAsyncContextManager[None]]:
    """Return what carries out decisions beside the service (`provider.server.serve`), as its settings say.

    Raises:
        SettingsError: the token's file cannot be used.
    """
    path = Path(settings.enforcer_token_file)
    token_in(path)  # now, so that it is told before anybody relies on it

    def token() -> str:
        try:
            return token_in(path)
        except SettingsError as error:
            raise EnforcerError(error.message, hint=error.hint) from error

    @asynccontextmanager
    async def beside(provider: Provider) -> AsyncIterator[None]:
        secret = load(settings.review_secret, secrets.token_bytes)
        address = settings.enforcer_address or settings.homeservers[settings.enforcer_homeserver]
        api = AdminApi(address, token, transport=transport)
        worker = Worker(
            provider.database,
            provider.clock,
            provider.decisions.policy,
            provider.decisions,
            SynapseEnforcer(api, settings.enforcer_homeserver, secret),
            settings.appeals,
            secret,
        )
        working = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            await api.close()

    return beside
