"""A console driven without a socket: browsers without a script, each with an authenticator in software."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from starlette.applications import Starlette

from harness.provider import Stage, staged
from tutela.console.app import create_console
from tutela.console.site import Site
from tutela.demo.authenticator import Authenticator
from tutela.provider.access import AccessRecord
from tutela.provider.review import audit_key
from tutela.provider.review.people import Person, Role
from tutela.provider.review.staff import StaffStore

ORIGIN = "http://localhost:8471"
COOKIE = "tutela-console"


@dataclass
class Visitor:
    """A browser at the console."""

    http: httpx.AsyncClient
    authenticator: Authenticator
    person: Person | None = None

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def options(self, path: str, fields: Mapping[str, object]) -> httpx.Response:
        """Ask what the passkey is to sign."""
        return await self.http.post(path, data=fields or {"x": ""}, headers={"accept": "application/json"})

    async def join(self, secret: str) -> httpx.Response:
        """Make a passkey with a one-time link, which signs in."""
        asked = await self.options("/passkey/register", {"invitation": secret})
        if asked.status_code != 200:
            return asked
        answer = self.authenticator.make(asked.text)
        return await self.http.post(f"/invitation/{secret}", data={"assertion": answer})

    async def sign_in(self) -> httpx.Response:
        asked = await self.options("/passkey/sign-in", {})
        return await self.http.post("/sign-in", data={"assertion": self.authenticator.sign(asked.text)})

    async def token(self) -> str:
        """The token in this session's forms."""
        page = await self.http.get("/", follow_redirects=True)
        found = re.search(r'name="token" value="([0-9a-f]{64})"', page.text)
        return found[1] if found else ""

    async def confirmation(self, path: str, fields: Mapping[str, object]) -> str:
        """The passkey's answer to sending `fields` to `path`."""
        asked = await self.options(f"/passkey/confirm?to={path}", {**fields, "token": await self.token()})
        assert asked.status_code == 200, asked.text
        return self.authenticator.sign(asked.text)

    async def send(self, path: str, fields: Mapping[str, object], *, confirm: bool = False) -> httpx.Response:
        """Send a form of this session's, confirmed or not."""
        sent = {**fields, "token": await self.token()}
        if confirm:
            sent["assertion"] = await self.confirmation(path, fields)
        return await self.http.post(path, data=sent)


@dataclass
class ConsoleStage:
    """A console and its provider."""

    provider: Stage
    staff: StaffStore
    app: Starlette
    site: Site
    records: list[AccessRecord]
    _opened: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self, authenticator: Authenticator | None = None, **headers: str) -> Visitor:
        """A browser that nobody is signed in at."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        http = httpx.AsyncClient(
            transport=transport, base_url=self.site.origin, headers={"origin": self.site.origin} | headers
        )
        self._opened.append(http)
        return Visitor(http, authenticator or Authenticator(self.site.origin, self.site.rp_id))

    async def member(self, name: str, role: Role, organisation: str = "Family") -> Visitor:
        """Somebody who was invited, made a passkey and is signed in."""
        person, secret = self.staff.invite(name, role, organisation, by=None)
        visitor = self.browser()
        visitor.person = person
        joined = await visitor.join(secret)
        assert joined.status_code == 303, joined.text
        return visitor

    async def everybody(self) -> dict[str, Visitor]:
        """A member of each role, and somebody who is not signed in."""
        made = {role.value: await self.member(f"The {role}", role) for role in Role}
        return made | {"nobody": self.browser()}


@asynccontextmanager
async def console_staged(folder: Path, *, site: Site | None = None) -> AsyncIterator[ConsoleStage]:
    """A console in `folder`, on a clock that tests move."""
    site = site or Site(ORIGIN)
    async with staged(folder, publish=False) as stage:
        provider, records = stage.provider, list[AccessRecord]()
        staff = StaffStore(provider.database, provider.clock, secrets.token_bytes)
        signer = audit_key.load(provider.settings.audit_key, provider.settings.name, secrets.token_bytes)
        app = create_console(
            provider,
            staff,
            provider.decisions,
            site=site,
            signer=signer,
            random=secrets.token_bytes,
            sink=records.append,
        )
        made = ConsoleStage(stage, staff, app, site, records)
        try:
            yield made
        finally:
            for http in made._opened:
                await http.aclose()
