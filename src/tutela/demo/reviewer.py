"""Somebody who reviews, for the demo: over the console's own pages, as a browser without a script would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import httpx

from tutela.demo.authenticator import Authenticator
from tutela.demo.errors import StepFailed

_TOKEN: Final = re.compile(r'name="token" value="([0-9a-f]{64})"')
_SECONDS: Final = 30.0


class Reviewer:
    """A browser at the console, with a passkey in software."""

    def __init__(self, origin: str, name: str) -> None:
        self.name = name
        self._origin = origin
        self._http = httpx.AsyncClient(base_url=origin, headers={"origin": origin}, timeout=_SECONDS, trust_env=False)
        self._passkey = Authenticator(origin)

    async def join(self, invitation: str) -> None:
        """Make a passkey with a one-time link, which signs in."""
        secret = invitation.rpartition("/")[2]
        options = await self._post("/passkey/register", {"invitation": secret})
        await self._post(f"/invitation/{secret}", {"assertion": self._passkey.make(options)})

    async def see(self, path: str) -> str:
        """Return a page."""
        return _good(await self._http.get(path, follow_redirects=True), path).text

    async def send(self, path: str, fields: Mapping[str, str]) -> None:
        """Send a form, and confirm it with the passkey: just this form, at just this path."""
        token = _TOKEN.search(await self.see("/"))
        sent = {**fields, "token": token[1] if token else ""}
        options = await self._post(f"/passkey/confirm?to={path}", sent)
        await self._post(path, {**sent, "assertion": self._passkey.sign(options)})

    async def close(self) -> None:
        """Close the browser."""
        await self._http.aclose()

    async def _post(self, path: str, fields: Mapping[str, str]) -> str:
        return _good(await self._http.post(path, data=dict(fields)), path).text


def _good(answer: httpx.Response, path: str) -> httpx.Response:
    if answer.status_code not in (200, 303):
        raise StepFailed(f"the console answered {answer.status_code} at {path.partition('?')[0]}")
    return answer
