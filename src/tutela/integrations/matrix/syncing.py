"""Keeping up: one sync answer after another, whatever the homeserver or this machine does meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Final

from tutela.integrations.matrix.api import token
from tutela.integrations.matrix.errors import AccountLocked, MatrixError, Refused, SignedOut
from tutela.integrations.matrix.own_device import OwnDevice
from tutela.integrations.matrix.receiving import Receiver
from tutela.integrations.matrix.timeline import Notice, NoticeKind, TimelineEvent

log = logging.getLogger("tutela.matrix")

#: Few messages of each room at once, so that nobody makes the answer too large by sending large ones; the rest is
#: fetched by pages.
_FILTER: Final = json.dumps(
    {
        "presence": {"types": []},
        "account_data": {"types": []},
        "room": {"timeline": {"limit": 20}, "ephemeral": {"types": []}, "account_data": {"types": []}},
    },
    separators=(",", ":"),
)
#: Seconds that a sync waits for news, how much longer its answer may take, and the first and longest pause after one
#: that failed.
_SYNC_SECONDS: Final = 25.0
_MORE_SECONDS: Final = 120.0
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
#: Seconds after which a homeserver that has locked the account is asked whether it still is.
_LOCKED_PAUSE: Final = 600.0


class Syncing:
    """Fetches what is new for one device, and puts what comes of it into `events`."""

    def __init__(self, device: OwnDevice, receiver: Receiver, events: asyncio.Queue[TimelineEvent | None]) -> None:
        self._device = device
        self._receiver = receiver
        self._events = events
        self._one_at_a_time = asyncio.Lock()
        self._begun = False
        self._running: asyncio.Task[None] | None = None
        self._stopped = False
        self._locked = False

    async def once(self, *, seconds: float) -> None:
        """Take in one answer; see `GuardedClient.sync_once`."""
        async with self._one_at_a_time:
            since = self._device.store.state.since
            params = {"filter": _FILTER, "timeout": str(int(seconds * 1000) if self._begun else 0)}
            if since is not None:
                params["since"] = since
            if not self._begun:
                params["full_state"] = "true"  # rooms are known from their state; messages only since last time
            body = await self._device.api.get("sync", params=params, seconds=seconds + _MORE_SECONDS)
            async for event in self._receiver.take(body, since):
                self._events.put_nowait(event)
            self._begun = True
            following = token(body.get("next_batch"))
            if following is None:
                raise Refused("the homeserver does not say how to go on", status=200, errcode="M_BAD_JSON")
            self._device.store.update(since=following)

    async def run(self) -> None:
        """Take in one answer after another; see `GuardedClient.run`."""
        self._running = asyncio.create_task(self._keep_up())
        try:
            await self._running
        except asyncio.CancelledError:
            if not self._stopped:
                raise

    async def stop(self) -> None:
        """End `run`."""
        self._stopped = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _keep_up(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.once(seconds=_SYNC_SECONDS)
                self._lock(False)
                pause = _FIRST_PAUSE
                continue
            except SignedOut:
                raise
            except AccountLocked as error:
                # What is here stays readable, and the session goes on when somebody unlocks the account.
                log.warning("%s", error)
                self._lock(True)
                await asyncio.sleep(_LOCKED_PAUSE)
                continue
            except MatrixError as error:
                log.warning("%s; trying again", error)
            except Exception:
                # A full disk, a database that somebody holds, an answer that nobody has foreseen: whatever it was, a
                # client that stops receiving without a word would be worse.
                log.exception("a sync failed in a way that was not foreseen; trying again")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _lock(self, locked: bool) -> None:
        """Tell the user once when the account was locked, and once when it is not any more."""
        if locked is self._locked:
            return
        self._locked = locked
        kind = NoticeKind.ACCOUNT_LOCKED if locked else NoticeKind.ACCOUNT_UNLOCKED
        user = self._device.user_id
        self._events.put_nowait(Notice(room_id="", event_id="", sender=user, sent_at=0, kind=kind))
