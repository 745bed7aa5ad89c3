"""A lying provider, for tests and the demo only: an honest application with one named lie around it.

It lies as somebody could who runs the service, or sits between it and a device: with everything that the provider
has, but without the list authorities' signing keys. Nothing here is ever part of `serve`.
"""

from __future__ import annotations

import asyncio
import enum
import os
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy as np
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tutela.matching import fuse, voprf
from tutela.wire import document, envelope, limits
from tutela.wire.check import CheckRequest, CheckResponse
from tutela.wire.manifest import Action, Actions, Manifest
from tutela.wire.segment import Segment


class Lie(enum.StrEnum):
    """What the provider lies about. Each is something that a device must catch."""

    OTHER_KEY = "other-key"
    """Checks are evaluated with a key of one user's own, and the proof is right for that key."""
    BAD_PROOF = "bad-proof"
    """The proof is wrong in one bit."""
    TRUNCATED_FILTER = "truncated-filter"
    """Half of a segment is served, as if it were all."""
    EXTRA_ENTRY = "extra-entry"
    """A segment says yes to one entry more, of the provider's own choice."""
    OTHER_FILTER = "other-filter"
    """A segment is a well-formed filter, under the right key, of nothing but that entry."""
    OLD_EPOCH = "old-epoch"
    """The epoch before is served as the newest."""
    EDITED_POLICY = "edited-policy"
    """The manifest's policy allows everything; its signatures are those of the real one."""
    ONE_SIGNATURE = "one-signature"
    """The manifest carries the signature of one authority only."""
    SLOW = "slow"
    """The answer does not come."""
    GARBAGE = "garbage"
    """The answer is random bytes."""
    SERVER_ERROR = "server-error"
    """The answer is HTTP 500, without a problem in it."""
    HUGE = "huge"
    """The answer does not end."""


#: How much a huge answer holds, if somebody reads all of it.
HUGE_BYTES: Final = 2 * limits.SEGMENT_BYTES
_EVALUATE: Final = re.compile(r"/v1/keys/[0-9a-f]+/evaluate")
_SEGMENT: Final = re.compile(r"/v1/segments/[0-9a-f]+")
_MANIFEST: Final = re.compile(r"/v1/manifest")


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def with_body(self, body: bytes) -> _Answer:
        headers = [(name, value) for name, value in self.headers if name != b"content-length"]
        return replace(self, body=body, headers=[*headers, (b"content-length", str(len(body)).encode())])

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


@dataclass
class Tampered:
    """Wraps an application. `lie` may be changed while it runs; `None` is the truth.

    `only` confines a lie that fits every path (slow, garbage, server-error, huge) to paths that contain this text.
    `entry` is what the extra entry is, 12 bytes of an OPRF output; `own_keys` is the key for one user.
    """

    app: ASGIApp
    lie: Lie | None = None
    only: str = "/v1/"
    seconds: float = 3600.0
    entry: bytes = field(default_factory=lambda: secrets.token_bytes(fuse.ENTRY_BYTES))
    own_keys: voprf.KeyPair = field(
        default_factory=lambda: voprf.key_pair(voprf.random_scalar(secrets.token_bytes)), repr=False
    )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, with the lie where it applies."""
        if scope["type"] != "http" or self.lie is None:
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        match self.lie:
            case Lie.SLOW | Lie.GARBAGE | Lie.SERVER_ERROR | Lie.HUGE if self.only in path:
                await self._misbehave(scope, receive, send)
            case Lie.OTHER_KEY | Lie.BAD_PROOF if _EVALUATE.fullmatch(path):
                body = await _body(receive)
                answer = await self._ask(scope, body)
                await self._evaluation(answer, body).send(send)
            case Lie.TRUNCATED_FILTER | Lie.EXTRA_ENTRY | Lie.OTHER_FILTER if _SEGMENT.fullmatch(path):
                answer = await self._ask(scope, b"")
                await (self._segment(answer) if answer.status == 200 else answer).send(send)
            case Lie.OLD_EPOCH | Lie.EDITED_POLICY | Lie.ONE_SIGNATURE if _MANIFEST.fullmatch(path):
                answer = await self._ask(scope, b"")
                await (await self._manifest(scope, answer) if answer.status == 200 else answer).send(send)
            case _:
                await self.app(scope, receive, send)

    async def _ask(self, scope: Scope, body: bytes) -> _Answer:
        """Return the truth."""
        messages: list[Message] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if not waiting:
                await asyncio.Event().wait()  # nobody leaves: a streamed answer would end at once if they did
            return waiting.pop()

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start, *rest = messages
        return _Answer(start["status"], list(start["headers"]), b"".join(m.get("body", b"") for m in rest))

    def _evaluation(self, answer: _Answer, body: bytes) -> _Answer:
        if answer.status != 200:
            return answer
        batch = (len(body) - 3) // 32
        honest = CheckResponse.decode(answer.body, batch=batch)
        if self.lie is Lie.BAD_PROOF:
            proof = bytes([honest.proof[0] ^ 1]) + honest.proof[1:]
            return answer.with_body(replace(honest, proof=proof).encode())
        elements = CheckRequest.decode(body, batch=batch).elements
        evaluated, proof = voprf.blind_evaluate(self.own_keys, elements)
        return answer.with_body(CheckResponse(tuple(evaluated), proof).encode())

    def _segment(self, answer: _Answer) -> _Answer:
        match self.lie:
            case Lie.TRUNCATED_FILTER:
                return answer.with_body(answer.body[: len(answer.body) // 2])
            case Lie.OTHER_FILTER:
                return answer.with_body(fuse.build(_row(self.entry)).encode())
            case _:
                return answer.with_body(_with_entry(Segment.decode(answer.body), self.entry).encode())

    async def _manifest(self, scope: Scope, answer: _Answer) -> _Answer:
        honest = envelope.decode(answer.body)
        manifest = document.decode(honest.unverified_payload, Manifest, limit=limits.MANIFEST_BYTES)
        match self.lie:
            case Lie.OLD_EPOCH:
                path = f"/v1/manifests/{manifest.epoch - 1}"
                old = await self._ask({**scope, "path": path, "raw_path": path.encode()}, b"")
                return old if old.status == 200 else answer
            case Lie.ONE_SIGNATURE:
                return answer.with_body(envelope.encode(replace(honest, signatures=honest.signatures[:1])))
            case _:
                return answer.with_body(envelope.encode(replace(honest, unverified_payload=_lenient(manifest))))

    async def _misbehave(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        octets = [(b"content-type", b"application/octet-stream")]
        match self.lie:
            case Lie.SLOW:
                if await _left(receive, self.seconds):
                    return
                await (await self._ask(scope, body)).send(send)
            case Lie.GARBAGE:
                await _Answer(200, octets, b"").with_body(secrets.token_bytes(4096)).send(send)
            case Lie.SERVER_ERROR:
                await _Answer(500, [(b"content-type", b"text/html")], b"").with_body(b"<h1>Oops</h1>").send(send)
            case _:
                await send({"type": "http.response.start", "status": 200, "headers": octets})
                chunk = os.urandom(limits.MEBIBYTE)
                for _ in range(HUGE_BYTES // limits.MEBIBYTE):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    await asyncio.sleep(0)
                await send({"type": "http.response.body", "body": b""})


def _with_entry(segment: Segment, entry: bytes) -> Segment:
    """Return the filter, changed in one slot so that it says yes to `entry`."""
    row = _row(entry)
    if segment.entries == 0:
        return fuse.build(row)
    # Only a liar needs to know where an entry lies; so `fuse` does not offer it, and this reaches inside.
    keys, fingerprints = fuse._split(row)
    first, second, third = fuse._slots(keys, segment.seed, segment.segment_length, segment.segment_count)[:, 0]
    table = segment.fingerprints.copy()
    table[first] = fingerprints[0] ^ table[second] ^ table[third]
    return replace(segment, fingerprints=table)


def _row(entry: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(entry, dtype=np.uint8).reshape(1, fuse.ENTRY_BYTES)


def _lenient(manifest: Manifest) -> bytes:
    """Return the payload with a policy that allows everything."""
    allow = Actions(outgoing=Action.ALLOW, incoming=Action.ALLOW)
    policy = msgspec.structs.replace(manifest.policy, agreed=allow, attested=allow, unchecked=allow)
    return document.encode(msgspec.structs.replace(manifest, policy=policy))


async def _body(receive: Receive) -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


async def _left(receive: Receive, seconds: float) -> bool:
    """Wait until the other side leaves, at most for `seconds`; say whether it did."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
