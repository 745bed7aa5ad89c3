"""The stock client (`tests/stock_client`), driven over JSON lines."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness.node import node_environment, node_path, npm_ci
from harness.synapse import Person
from tutela.integrations.matrix.homeserver import Homeserver

FOLDER = Path(__file__).parents[1] / "stock_client"
_LINE_BYTES = 64 << 20
_SECONDS = 60


class StockClientError(Exception):
    """What the stock client says went wrong."""


class StockClient:
    """One running stock client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.user_id = ""
        self.device_id = ""
        self.events: list[dict[str, Any]] = []
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def call(self, command: str, **arguments: Any) -> Any:
        """Send one command and return its result."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"id": number, "command": command, **arguments}).encode() + b"\n")
        async with asyncio.timeout(_SECONDS):
            return await answer

    async def login(self, homeserver: Homeserver, person: Person, *, bootstrap: bool = True) -> None:
        """Log in, and let the person's new identity sign this device."""
        answer = await self.call("login", homeserver=homeserver.url, user=person.name, password=person.password)
        self.user_id, self.device_id = answer["user_id"], answer["device_id"]
        if bootstrap:
            assert (await self.call("bootstrap"))["ready"]

    async def join(self, room_id: str, *members: str) -> None:
        """Join a room and wait until these are seen in it."""
        await self.call("join", room_id=room_id)
        async with asyncio.timeout(_SECONDS):
            while not (await self.call("knows_room", room_id=room_id, members=members))["known"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def send_picture(self, room_id: str, data: bytes, filename: str, mimetype: str) -> str:
        """Encrypt and send a picture; return the event's id."""
        text = base64.b64encode(data).decode()
        sent = await self.call("send_picture", room_id=room_id, data=text, filename=filename, mimetype=mimetype)
        return str(sent["event_id"])

    async def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an event, past ones included."""
        async with asyncio.timeout(_SECONDS):
            while True:
                self._news.clear()
                for event in self.events:
                    if wanted(event):
                        return event
                await self._news.wait()

    async def message(self, event_id: str, *, readable: bool = True) -> dict[str, Any]:
        """Wait until the message is there and decrypted, or refused."""
        return await self.wait(lambda e: e.get("event_id") == event_id and (e["failure"] is None) == readable)

    async def stop(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "event" in said:
                self.events.append(said["event"])
                self._news.set()
            elif "error" in said:
                self._answers.pop(said["id"]).set_exception(StockClientError(said["error"]))
            else:
                self._answers.pop(said["id"]).set_result(said["result"])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(StockClientError("the stock client ended"))


@asynccontextmanager
async def open_stock_client(log: Path) -> AsyncIterator[StockClient]:
    """Start a stock client, whose complaints go to `log`, and stop it at the end."""
    await asyncio.to_thread(npm_ci, FOLDER)
    with log.open("wb") as complaints:
        process = await asyncio.create_subprocess_exec(
            node_path(),
            FOLDER / "client.mjs",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=dict(node_environment()),
            limit=_LINE_BYTES,
        )
    client = StockClient(process)
    try:
        yield client
    finally:
        await client.stop()
