"""A homeserver that has what acting needs of Synapse, and whose memory is a file: it outlives whoever acts on it.

It is stricter than Synapse where that matters: it forgets transaction ids with its process.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

from harness.provider import SERVER

SERVICE: Final = f"@safety:{SERVER}"
TOKEN: Final = "syt_safety"
_NOT_FOUND: Final = (404, {"errcode": "M_NOT_FOUND", "error": "not found"})


@dataclass
class FakeSynapse(httpx.AsyncBaseTransport):
    """What was done to it is `history`, in order; the file at `path` holds the same."""

    path: Path
    around: Callable[[str], object] = lambda _: None
    """Is told each request before it is answered, and after."""
    history: list[dict[str, Any]] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each medium."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.read()

    def read(self) -> None:
        """Learn what was done to it by way of other processes."""
        if self.path.exists():
            self.history = [json.loads(line) for line in self.path.read_text().splitlines()]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        body = json.loads(request.content) if request.content else {}
        name = f"{request.method} {re.sub(r'^(/_matrix/client/v3|/_synapse/admin/v.)/', '', path).partition('/')[0]}"
        self.around(f"before {name}")
        with self._lock:
            status, answer = self.answer(request.method, path, dict(request.url.params), body)
        self.around(f"after {name}")
        return httpx.Response(status, json=answer)

    def answer(self, method: str, path: str, params: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        for pattern, answer in _ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                return answer(self, params, body, *map(unquote, found.groups()))
        raise AssertionError(f"nobody told this homeserver about {method} {path}")

    def of(self, what: str, **fields: str) -> list[dict[str, Any]]:
        """What happened of one kind."""
        return [e for e in self.history if e["what"] == what and fields.items() <= e.items()]

    def note(self, what: str, **fields: Any) -> None:
        entry = {"what": what, **fields}
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self.history.append(entry)

    def value(self, flag: str, of: str) -> Any:
        """What a flag of an account or medium was set to last."""
        changes = self.of(flag, of=of)
        return changes[-1]["value"] if changes else None

    def set(self, flag: str, of: str, value: Any) -> tuple[int, Any]:
        self.note(flag, of=of, value=value)
        return 200, {}


def _whoami(_: FakeSynapse, params: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"user_id": SERVICE}


def _no_delegation(_: FakeSynapse, params: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
    return 404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}


def _userinfo(_: FakeSynapse, params: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
    # A token is `name.anything`.
    return 200, {"sub": f"@{params['access_token'].partition('.')[0]}:{SERVER}"}


def _account(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], user: str) -> tuple[int, Any]:
    flags = {flag: bool(it.value(flag, user)) for flag in ("locked", "suspended")}
    return 200, {"name": user, "admin": user == SERVICE, "deactivated": False, **flags}


def _lock(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], user: str) -> tuple[int, Any]:
    return it.set("locked", user, body["locked"])


def _suspend(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], user: str) -> tuple[int, Any]:
    return it.set("suspended", user, body["suspend"])


def _medium(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], medium: str) -> tuple[int, Any]:
    by = it.value("quarantined", medium)
    return 200, {"media_info": {"sha256": it.hashes[medium], "quarantined_by": by, "safe_from_quarantine": False}}


def _quarantine(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], un: str, medium: str) -> tuple[int, Any]:
    return it.set("quarantined", medium, None if un else SERVICE)


def _room(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], alias: str) -> tuple[int, Any]:
    rooms = it.of("room", alias=alias)
    return (200, {"room_id": rooms[0]["room"]}) if rooms else _NOT_FOUND


def _create(it: FakeSynapse, params: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
    alias = f"#{body['room_alias_name']}:{SERVER}"
    if it.of("room", alias=alias):
        return 400, {"errcode": "M_ROOM_IN_USE", "error": "taken"}
    room = f"!room{len(it.of('room'))}:{SERVER}"
    it.note("room", room=room, alias=alias)
    return 200, {"room_id": room}


def _member(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], room: str, user: str) -> tuple[int, Any]:
    return (200, {"membership": "join"}) if it.of("join", room=room, user=user) else _NOT_FOUND


def _join(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], room: str) -> tuple[int, Any]:
    it.note("join", room=room, user=body["user_id"])
    return 200, {"room_id": room}


def _send(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], room: str, txn: str) -> tuple[int, Any]:
    it.note("message", room=room, action=body["org.tutela.action"], body=body["body"])
    return 200, {"event_id": f"$event{len(it.history)}"}


def _messages(it: FakeSynapse, params: dict[str, str], body: dict[str, Any], room: str) -> tuple[int, Any]:
    contents = [{"body": m["body"], "org.tutela.action": m["action"]} for m in it.of("message", room=room)]
    return 200, {"chunk": [{"sender": SERVICE, "content": content} for content in contents]}


_ROUTES: Final[list[tuple[str, Callable[..., tuple[int, Any]]]]] = [
    (r"GET /_matrix/client/v3/account/whoami", _whoami),
    (r"GET /_matrix/client/v1/auth_metadata", _no_delegation),
    (r"GET /_matrix/federation/v1/openid/userinfo", _userinfo),
    (r"GET /_synapse/admin/v2/users/([^/]+)", _account),
    (r"PUT /_synapse/admin/v2/users/([^/]+)", _lock),
    (r"PUT /_synapse/admin/v1/suspend/([^/]+)", _suspend),
    (r"GET /_synapse/admin/v1/media/([^/]+/[^/]+)", _medium),
    (r"POST /_synapse/admin/v1/media/(un|)quarantine/([^/]+/[^/]+)", _quarantine),
    (r"GET /_matrix/client/v3/directory/room/([^/]+)", _room),
    (r"POST /_matrix/client/v3/createRoom", _create),
    (r"GET /_matrix/client/v3/rooms/([^/]+)/state/m\.room\.member/([^/]+)", _member),
    (r"POST /_synapse/admin/v1/join/([^/]+)", _join),
    (r"GET /_matrix/client/v3/rooms/([^/]+)/messages", _messages),
    (r"PUT /_matrix/client/v3/rooms/([^/]+)/send/m\.room\.message/([^/]+)", _send),
]


@contextlib.contextmanager
def served(homeserver: FakeSynapse) -> Iterator[str]:
    """Serve it over a socket; yield its address."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message.get("body", b""), message.get("more_body", False)
        url = f"http://fake{scope['raw_path'].decode()}?{scope['query_string'].decode()}"
        answer = await homeserver.handle_async_request(httpx.Request(scope["method"], url, content=content))
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    (socket,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()
