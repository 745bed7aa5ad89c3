"""Guard over JSON-RPC 2.0, one message a line, for clients that are not written in Python.

The client calls `update`, `choose`, `check_outgoing`, `check_incoming` and `status`; pictures travel as `{"picture":
base64}` or, when both sides see the same files, `{"path": …}`; and `report`, `add_to_report`, `reports`,
`looked_at_reports` and `reading_times` (`rpc_reports`); and for the conversation guard `message_received`,
`message_sending`, `message_sent` and `conversation_…` (`rpc_conversations`). The server calls one method of the
client's: `openid_token`, whenever it has to sign in; the answer is what the homeserver gave for
`/user/{userId}/openid/request_token`. Answers come in the order in which the work ends, so `id` matters.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from tutela.device.errors import DeviceError, TooManyCalls
from tutela.device.guard import Guard
from tutela.device.picture_file import read_picture
from tutela.device.rpc_conversations import METHODS as CONVERSING
from tutela.device.rpc_reports import METHODS as REPORTING
from tutela.errors import TutelaError
from tutela.language import Words, words
from tutela.wire.session import SignIn

log = logging.getLogger("tutela.device")

#: One line: the largest picture in base64, and its frame.
MAX_LINE: Final = 64 << 20

#: Calls under way at once. Each holds what it was passed, which may be a picture of many megabytes.
MOST_CALLS: Final = 64

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
TUTELA_ERROR: Final = -32000


class _Message(msgspec.Struct, omit_defaults=True):
    jsonrpc: str = ""
    id: int | str | None = None
    method: str | None = None
    params: Any = None
    result: Any = None
    error: dict[str, Any] | None = None


class _Refused(Exception):
    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.answer = {"code": code, "message": message, **({"data": data} if data else {})}


class RpcServer:
    """Serves one guard to one client over a pair of streams."""

    def __init__(self, reader: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Read lines from `reader` (whose limit should be `MAX_LINE`) and answer through `write`."""
        self._reader = reader
        self._write_line = write
        self._numbers = itertools.count(1)
        self._asked: dict[int | str, asyncio.Future[_Message]] = {}
        self._turn = asyncio.Lock()
        self._under_way = 0
        self._ended = False

    async def openid_token(self) -> SignIn:
        """Ask the client for a fresh OpenID token: the guard's `sign_in`.

        Raises:
            TutelaError: the client refused, answered something else, or has closed its end.
        """
        if self._ended:
            raise TutelaError("the client has closed its end")
        number = f"server-{next(self._numbers)}"
        future: asyncio.Future[_Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            await self._send({"jsonrpc": "2.0", "id": number, "method": "openid_token"})
            answer = await future
        finally:
            del self._asked[number]
        if answer.error is not None:
            raise TutelaError(f"the client gave no OpenID token: {answer.error.get('message')!s:.200}")
        try:
            token = msgspec.convert(answer.result, dict[str, Any])
            return msgspec.convert({k: token.get(k) for k in ("matrix_server_name", "access_token")}, SignIn)
        except msgspec.ValidationError as error:
            raise TutelaError("the client gave no OpenID token", hint="Answer `openid_token` with one.") from error

    async def serve(self, guard: Guard) -> None:
        """Answer until the client closes its end, or reads no answers any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while (line := await self._line()) != b"":
                    if line is None:
                        await self._fail(None, _Refused(INVALID_REQUEST, "a message is too long"))
                    elif line.strip():
                        await self._receive(line, guard, tasks)
                self._ended = True
                for future in self._asked.values():
                    future.cancel()
        except* OSError as gone:
            log.info("the client is gone: %s", gone.exceptions[0])

    async def _line(self) -> bytes | None:
        """Return the next line, `None` for one that was too long to keep, and nothing at the end."""
        whole = True
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                line = end.partial
            except asyncio.LimitOverrunError as over:
                await self._reader.readexactly(over.consumed)
                whole = False
                continue
            return line if whole else None

    async def _receive(self, line: bytes, guard: Guard, tasks: asyncio.TaskGroup) -> None:
        try:
            message = msgspec.json.decode(line, type=_Message)
        except msgspec.ValidationError as error:
            batch = line.lstrip().startswith(b"[")
            said = "no batches are taken: send one message a line" if batch else f"not a JSON-RPC message: {error}"
            await self._fail(None, _Refused(INVALID_REQUEST, said))
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            await self._fail(None, _Refused(PARSE_ERROR, "not JSON"))
            return
        if message.jsonrpc != "2.0":
            await self._fail(message.id, _Refused(INVALID_REQUEST, 'jsonrpc must be "2.0"'))
        elif message.method is not None and self._under_way >= MOST_CALLS:
            if message.id is not None:
                await self._fail(message.id, _refused(_TOO_MANY))
        elif message.method is not None:
            self._under_way += 1
            tasks.create_task(self._answer(message, guard))
        elif message.id is not None and (waiting := self._asked.get(message.id)) is not None:
            if not waiting.done():
                waiting.set_result(message)
        else:
            await self._fail(message.id, _Refused(INVALID_REQUEST, "neither a call nor an answer that is waited for"))

    async def _answer(self, message: _Message, guard: Guard) -> None:
        try:
            answer = await _outcome(message.method or "", message.params, guard)
        finally:
            self._under_way -= 1
        if message.id is not None:  # or it is a notification, which is not answered, come what may
            await self._send({"jsonrpc": "2.0", "id": message.id, **answer})

    async def _fail(self, number: int | str | None, refused: _Refused) -> None:
        await self._send({"jsonrpc": "2.0", "id": number, "error": refused.answer})

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._turn:
            await self._write_line(msgspec.json.encode(message) + b"\n")


_TOO_MANY: Final = TooManyCalls(
    f"{MOST_CALLS} calls are under way already", hint="Wait for an answer, then call again."
)


def _refused(error: TutelaError) -> _Refused:
    return _Refused(TUTELA_ERROR, error.message, {"code": error.code, "hint": error.hint})


async def _outcome(method: str, params: Any, guard: Guard) -> dict[str, Any]:
    try:
        if not isinstance(params, dict | None):
            raise _Refused(INVALID_PARAMS, "`params` must be an object with names, as in docs/device.md")
        params = params or {}
        return {"result": await _call(method, params, guard)}
    except _Refused as refused:
        return {"error": refused.answer}
    except TutelaError as error:
        return {"error": _refused(error).answer}
    except Exception:  # the other calls must go on, whatever happened here
        log.exception("a call failed")
        return {"error": _Refused(INTERNAL_ERROR, "an error in Tutela; its log says more").answer}


async def _call(method: str, params: dict[str, Any], guard: Guard) -> Any:
    match method:
        case "status":
            return _status(guard)
        case "update":
            await guard.update()
            return _status(guard)
        case "choose":
            guard.choose(await _picture(params))
            return {}
        case "check_outgoing":
            tongue = _words(params)
            return (await guard.check_outgoing(await _picture(params))).facts(tongue)
        case "check_incoming":
            tongue = _words(params)
            return (await guard.check_incoming(await _picture(params))).facts(tongue)
    if method in REPORTING or method in CONVERSING:
        try:
            if method in REPORTING:
                return await REPORTING[method](guard.reports, params)
            return CONVERSING[method](await guard.conversations(), params)
        except msgspec.ValidationError as error:
            raise _Refused(INVALID_PARAMS, f"`params` are of another form: {error}") from error
    raise _Refused(METHOD_NOT_FOUND, f"there is no method {method!r:.80}")


async def _picture(params: dict[str, Any]) -> bytes:
    match params:
        case {"picture": str(text)}:
            try:
                # In a thread: of a large picture it takes long enough to hold up everything else.
                return await asyncio.to_thread(base64.b64decode, text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise _Refused(INVALID_PARAMS, "`picture` is not base64") from error
        case {"path": str(path)}:
            try:
                return await asyncio.to_thread(read_picture, Path(path))
            except DeviceError as error:
                raise _Refused(INVALID_PARAMS, error.message) from error
    raise _Refused(INVALID_PARAMS, "give the picture as `picture` (base64) or `path`")


def _status(guard: Guard) -> dict[str, Any]:
    epoch = guard.epoch
    if epoch is None:
        return {"epoch": None}
    manifest = epoch.manifest
    return {"epoch": manifest.epoch, "created": manifest.created, "policy": msgspec.to_builtins(manifest.policy)}


def _words(params: dict[str, Any]) -> Words:
    tag = params.get("language", "en")
    if not isinstance(tag, str):
        raise _Refused(INVALID_PARAMS, '`language` must be a tag, such as "fr"')
    return words(tag)
