"""Connections that cannot be held for ever: what uvicorn leaves to a proxy, for a service that may stand without one.

uvicorn closes a connection that is idle, but waits without end for the rest of a request whose first byte has come
(Slowloris), and for somebody who does not read the answer. Here every wait for the other side has an end: for a head,
and for a body that comes more slowly than a poor line brings it. Where too many wait at once, the one that has waited
longest makes room: a device sends its request at once, so a flood of half-sent ones hardly keeps it out. Whose body or
answer is under way stays, as long as no more than half of the connections are of that kind.
See `docs/decisions/0012-deadlines-in-uvicorn.md`.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tutela.provider import bodies

#: A request's head, and a small body, must be here this long after the connection opened or the last answer was sent.
REQUEST_SECONDS: Final = 30.0
#: A request with its body, at the latest; `bodies` ends it before that, with an answer.
LONGEST_SECONDS: Final = REQUEST_SECONDS + bodies.LARGE_SECONDS
#: The other side may leave what it is sent unread for this long.
UNREAD_SECONDS: Final = 60.0
#: Connections open at once. With a file for each download they stay below the usual limit of 1,024 open files.
CONNECTIONS: Final = 400


class Connection(H11Protocol):
    """One connection. While it waits for the other side, `deadline` says until when."""

    deadline: asyncio.TimerHandle | None = None
    _latest = 0.0
    """The event loop's time beyond which nothing that comes moves the deadline."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; where too many wait, somebody makes room."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that we are told of every unread byte
        self._wait(REQUEST_SECONDS)
        if len(self.connections) > CONNECTIONS:
            leaving = _who_makes_room(cast(set[Connection], self.connections))
            self.connections.discard(leaving)  # now, not when it has gone: more may come before that
            leaving.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._go_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what has come; each part of a body wins the time that a poor line needs for it.

        Also after the answer: a client may read it only when it has sent everything.
        """
        super().data_received(data)
        if self.deadline is not None and self.conn.their_state is h11.SEND_BODY and not self.flow.write_paused:
            self._until(min(self.deadline.when() + len(data) / bodies.PACE, self._latest))

    def handle_events(self) -> None:
        """Take in what has come; if that makes a request whole, the other side has done its part."""
        super().handle_events()
        if not self._awaiting_request and not self.flow.write_paused:
            self._go_on()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        if not self.flow.write_paused:
            self._wait(REQUEST_SECONDS)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait until what was sent is read."""
        super().pause_writing()
        self._wait(UNREAD_SECONDS)

    def resume_writing(self) -> None:
        """Everything was read."""
        super().resume_writing()
        self._go_on()
        if self._awaiting_request:
            self._wait(REQUEST_SECONDS)

    @property
    def under_way(self) -> bool:
        """Whether a request's head is here and its answer is not there."""
        return (self.cycle is not None and not self.cycle.response_complete) or self.flow.write_paused

    @property
    def _awaiting_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _wait(self, seconds: float) -> None:
        now = self.loop.time()
        self._latest = now + LONGEST_SECONDS
        self._until(now + seconds)

    def _until(self, when: float) -> None:
        self._go_on()
        self.deadline = self.loop.call_at(when, self.transport.abort)

    def _go_on(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


def _who_makes_room(connections: set[Connection]) -> Connection:
    under_way = {one for one in connections if one.under_way}
    idle = connections - under_way
    waiting = {one for one in under_way if one.deadline is not None}
    return min(idle if len(idle) > CONNECTIONS // 2 or not waiting else waiting, key=_end)


def _end(connection: Connection) -> float:
    return connection.deadline.when() if connection.deadline else float("inf")
