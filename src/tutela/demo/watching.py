"""What the homeserver and the provider saw, read from their own logs and stores while they run.

The homeserver's lines come from its request log, their sizes from its database; the provider's from its access log.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tutela.chat import observer
from tutela.chat.observer import Observation, Party
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.provider.access import AccessRecord

_POLL_SECONDS: Final = 0.2
_LINE: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) INFO synapse\.access\.\S+ .*?\{(?P<user>[^}]*)\} .*? "
    r"(?P<size>\d+)B (?P<status>\d+) \"(?P<method>[A-Z]+) (?P<path>\S+) HTTP"
)
_MESSAGE_SIZE: Final = """
    SELECT length(json) FROM events JOIN event_json USING (event_id)
    WHERE sender = ? AND type = 'm.room.encrypted' ORDER BY stream_ordering DESC LIMIT 1
"""
_UPLOAD_SIZE: Final = (
    "SELECT media_length FROM local_media_repository WHERE user_id = ? ORDER BY created_ts DESC LIMIT 1"
)
#: Method and path (below `/_matrix/client/`) of a request: what it is, and the query that tells its size.
_SEEN: Final[tuple[tuple[str, re.Pattern[str], str, str | None], ...]] = (
    ("POST", re.compile(r"v3/login"), observer.SIGN_IN, None),
    ("POST", re.compile(r"v3/keys/upload.*"), observer.PUBLIC_KEYS, None),
    ("POST", re.compile(r"v3/join/.*|v3/rooms/[^/]+/join"), observer.JOINED, None),
    ("PUT", re.compile(r"v3/rooms/[^/]+/send/m\.room\.encrypted/.*"), observer.ENCRYPTED_MESSAGE, _MESSAGE_SIZE),
    ("POST", re.compile(r".*media/v3/upload.*"), observer.ENCRYPTED_UPLOAD, _UPLOAD_SIZE),
    ("GET", re.compile(r"v1/media/download/.*"), observer.ENCRYPTED_DOWNLOAD, None),
)


def provider_observation(record: AccessRecord) -> Observation | None:
    """Return the pane's line for a record of the provider's access log; `None` for what needs no line."""
    what = {
        "/v1/session": observer.SIGN_IN,
        "/v1/manifest": observer.LIST_UPDATE,
        "/v1/keys/{key_id}/evaluate": observer.BLINDED_BATCH,
        "/v1/reports": observer.REPORT if record.method == "POST" else None,
    }.get(record.route or "")
    if what is None or record.status != 200:
        return None
    size = record.bytes_in if what in (observer.BLINDED_BATCH, observer.REPORT) else record.bytes_out
    time = datetime.fromisoformat(record.time.replace("Z", "+00:00"))
    return Observation(time, Party.PROVIDER, record.account or "", what, size)


class HomeserverWatch:
    """Follows a homeserver's log."""

    def __init__(self, homeserver: Homeserver, see: Callable[[Observation], None]) -> None:
        self._log: Path = homeserver.log
        self._database = homeserver.database
        self._see = see
        self._position = 0

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the log while the context is open, and to its end when it closes."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def catch_up(self) -> None:
        """Read what has been logged so far."""
        for line in await asyncio.to_thread(self._new_lines):
            seen = await asyncio.to_thread(self._observation, line)
            if seen is not None:
                self._see(seen)

    async def _follow(self) -> None:
        while True:
            await self.catch_up()
            await asyncio.sleep(_POLL_SECONDS)

    def _new_lines(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as file:
            file.seek(self._position)
            whole = file.read()
            end = whole.rfind(b"\n") + 1
            self._position += end
            return whole[:end].decode(errors="replace").splitlines()
        return []

    def _observation(self, line: str) -> Observation | None:
        match = _LINE.match(line)
        if match is None or match["status"] != "200":
            return None
        path = match["path"].removeprefix("/_matrix/client/").split("?")[0]
        for method, pattern, what, query in _SEEN:
            if match["method"] == method and pattern.fullmatch(path):
                size = self._size(query, match["user"]) if query else None
                if what == observer.ENCRYPTED_DOWNLOAD:
                    size = int(match["size"])
                # Synapse logs in this machine's time zone.
                time = datetime.strptime(match["time"], "%Y-%m-%d %H:%M:%S,%f").astimezone(UTC)
                account = "" if match["user"] == "None" else match["user"]
                return Observation(time, Party.HOMESERVER, account, what, size)
        return None

    def _size(self, query: str, user: str) -> int | None:
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
            row = database.execute(query, (user,)).fetchone()
        return int(row[0]) if row else None


def bytes_of(*places: Path) -> dict[Path, bytes]:
    """Return every file below `places`: databases, logs, media. What is not in these bytes was not stored."""
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else (place,)) if file.is_file()]
    return {file: file.read_bytes() for file in files}


def stored(database: Path) -> dict[str, int]:
    """Return how many encrypted messages and files a homeserver stores."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (messages,) = connection.execute("SELECT count(*) FROM events WHERE type = 'm.room.encrypted'").fetchone()
        (files,) = connection.execute("SELECT count(*) FROM local_media_repository").fetchone()
    return {"messages": messages, "files": files}
