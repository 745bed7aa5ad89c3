"""The HTTP surface: a thin skin. Each route reads its input, asks one part of the provider, and answers.

Errors are raised, never written here: `problems` turns them into answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.middleware import Middleware
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from tutela import __version__
from tutela.matching.errors import InvalidElement
from tutela.provider import errors, openapi
from tutela.provider.access import AccessLog, Sink, note_account
from tutela.provider.bearer import bearer
from tutela.provider.bodies import declared_bytes, read
from tutela.provider.epochs import Published
from tutela.provider.errors import NothingPublished, ProviderError, UnknownEpoch
from tutela.provider.evaluation import wrong_batch
from tutela.provider.openapi import JSON, OCTETS, Health, problems, reference, success
from tutela.provider.problems import HANDLERS, LastResort
from tutela.provider.ranges import check_range
from tutela.provider.reports import routes as reports
from tutela.provider.service import Provider
from tutela.provider.sessions import token_digest
from tutela.wire import document, limits
from tutela.wire.errors import MalformedMessage, OversizedMessage
from tutela.wire.session import SignIn

_FOREVER: Final = "public, max-age=31536000, immutable"
#: How often what has run out is erased.
FORGET_SECONDS: Final = 300.0
#: Errors that every route can meet.
_ANYWHERE: Final = (errors.Internal, errors.StorageUnavailable)
#: The largest number that a manifest's epoch may have, as in `wire.manifest`.
_LAST_EPOCH: Final = 1 << 40

#: What runs in the same process and loop as the service, from its start to its end.
Beside = Callable[[Provider], AbstractAsyncContextManager[None]]

_log: Final = logging.getLogger("tutela.provider")

_DESCRIPTION: Final = """Tutela's provider: signed epochs of hash lists, blinded checks against them, and reports.

A check holds random elements of ristretto255 in a batch of constant size; what they stand for, and whether they
match, the provider cannot tell. Devices verify everything that they fetch here.
"""


def create_app(
    provider: Provider, sink: Sink, *, forget_seconds: float = FORGET_SECONDS, beside: Sequence[Beside] = ()
) -> FastAPI:
    """Return the ASGI application of `provider`; `sink` is given one record of each request.

    What stands `beside` the service (rooms above this one know what) is entered before the first request and left
    after the last.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        forgetting = asyncio.create_task(_forget_regularly(provider, forget_seconds))
        async with AsyncExitStack() as stack:
            for standing in beside:
                await stack.enter_async_context(standing(provider))
            yield
        forgetting.cancel()

    app = FastAPI(
        title="Tutela provider",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # these pages would load scripts from somebody else's servers
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers=dict(HANDLERS),
        middleware=[Middleware(AccessLog, sink=sink, clock=provider.clock), Middleware(LastResort)],
    )
    _add_epochs(app, provider)
    _add_policy(app, provider)
    _add_checks(app, provider)
    reports.add_routes(app, provider.reports, provider.sessions)
    bare = app.openapi
    app.openapi = lambda: app.openapi_schema or openapi.completed(bare())  # type: ignore[method-assign]
    return app


def _add_epochs(app: FastAPI, provider: Provider) -> None:
    """What anybody may fetch."""
    envelope = success("The manifest, signed.", JSON, reference("Envelope"), ETag="Digest of the envelope.")

    @app.get(
        "/v1/manifest",
        summary="The newest epoch",
        response_class=Response,
        responses={200: envelope, 304: _UNCHANGED, **problems(NothingPublished, *_ANYWHERE)},
    )
    async def manifest(request: Request) -> Response:
        newest = await run_in_threadpool(provider.epochs.newest)
        return _envelope(request, newest, caching="no-cache")

    @app.get(
        "/v1/manifests/{epoch:int}",
        summary="One epoch",
        response_class=Response,
        responses={200: envelope, 304: _UNCHANGED, **problems(UnknownEpoch, *_ANYWHERE)},
    )
    async def manifest_of(request: Request, epoch: int) -> Response:
        if epoch > _LAST_EPOCH:
            raise UnknownEpoch("there is no epoch of such a number")
        published = await run_in_threadpool(provider.epochs.at, epoch)
        # Not for ever: an authority may still add its signature.
        return _envelope(request, published, caching="public, max-age=3600")

    @app.get(
        "/v1/segments/{sha256}",
        summary="One layer of the filter",
        response_class=Response,
        responses={
            200: success("The file, whole.", OCTETS, _BINARY, ETag="Its digest.", Cache_Control="It never changes."),
            206: success("A range of the file.", OCTETS, _BINARY),
            304: _UNCHANGED,
            **problems(errors.UnknownSegment, errors.NoSuchRange, *_ANYWHERE),
        },
    )
    async def segment(request: Request, sha256: str) -> Response:
        file = await run_in_threadpool(provider.epochs.segment, sha256)
        headers = {"etag": f'"{sha256}"', "cache-control": _FOREVER}
        if _has(request, sha256):
            return Response(status_code=304, headers=headers)
        check_range(request, file.stat.st_size)
        return FileResponse(file.path, headers=headers, media_type=OCTETS, stat_result=file.stat)

    @app.get(
        "/v1/health",
        summary="Whether the service works",
        response_class=Response,
        responses={200: success("It does.", JSON, reference("Health")), **problems(*_ANYWHERE)},
    )
    async def health() -> Response:
        def epoch() -> int | None:
            try:
                return provider.epochs.newest().number
            except NothingPublished:
                return None

        return _json(Health(status="ok", epoch=await run_in_threadpool(epoch)))


def _add_policy(app: FastAPI, provider: Provider) -> None:
    """What reviewers are bound by, for anybody to read."""
    rules = msgspec.json.encode(provider.reports.policy, order="deterministic")
    tag = hashlib.sha256(rules).hexdigest()

    @app.get(
        "/v1/review-policy",
        summary="By which rules reports are decided, how soon, and by how many people",
        response_class=Response,
        responses={
            200: success("The policy, whole.", JSON, reference("ReviewPolicy"), ETag="Its digest."),
            304: _UNCHANGED,
            **problems(errors.Internal),
        },
    )
    async def review_policy(request: Request) -> Response:
        headers = {"etag": f'"{tag}"', "cache-control": "public, max-age=3600"}
        if _has(request, tag):
            return Response(status_code=304, headers=headers)
        return Response(rules, media_type=JSON, headers=headers)


def _add_checks(app: FastAPI, provider: Provider) -> None:
    """What needs an account."""

    @app.post(
        "/v1/session",
        summary="Exchange a Matrix OpenID token for a session",
        description="The token is verified at its homeserver, and can be exchanged once.",
        response_class=Response,
        responses={
            200: success("The session.", JSON, reference("Session")),
            **problems(
                MalformedMessage,
                OversizedMessage,
                errors.WrongContentType,
                errors.LengthRequired,
                errors.SlowBody,
                errors.TokenUnknown,
                errors.TokenReplayed,
                errors.ForeignHomeserver,
                errors.ForeignAccount,
                errors.HomeserverUnavailable,
                errors.HomeserverNonsense,
                errors.Busy,
                *_ANYWHERE,
            ),
        },
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": reference("SignIn")}}}},
    )
    async def session(request: Request) -> Response:
        declared = declared_bytes(request, JSON)
        if declared > limits.SIGN_IN_BYTES:
            raise OversizedMessage(f"a sign-in has at most {limits.SIGN_IN_BYTES} bytes")
        body = await read(request, declared)
        sign_in = document.decode(body, SignIn, limit=limits.SIGN_IN_BYTES, canonical=False)
        provider.openid.check_served(sign_in.matrix_server_name)
        digest = token_digest(sign_in)
        await run_in_threadpool(provider.sessions.check_unspent, digest)
        account = await provider.openid.account(sign_in)
        begun = await run_in_threadpool(provider.sessions.begin, account, digest)
        note_account(request, account)
        return _json(begun)

    @app.post(
        "/v1/keys/{key_id}/evaluate",
        summary="Evaluate one blinded batch, with a proof",
        description="As in `tutela.wire.check`, with exactly as many elements as the newest manifest publishes.",
        response_class=Response,
        responses={
            200: success("The evaluated batch and its proof.", OCTETS, _BINARY),
            **problems(
                errors.WrongBatch,
                MalformedMessage,
                OversizedMessage,
                InvalidElement,
                errors.WrongContentType,
                errors.LengthRequired,
                errors.SlowBody,
                errors.SessionMissing,
                errors.SessionUnknown,
                errors.SessionExpired,
                errors.NothingPublished,
                errors.UnknownKey,
                errors.KeyRetired,
                errors.RateLimited,
                errors.Busy,
                *_ANYWHERE,
            ),
        },
        openapi_extra={
            "security": [{"session": []}],
            "requestBody": {"required": True, "content": {OCTETS: {"schema": _BINARY}}},
        },
    )
    async def evaluate(request: Request, key_id: str) -> Response:
        account = await run_in_threadpool(provider.sessions.account_of, bearer(request))
        note_account(request, account)
        admission = await run_in_threadpool(provider.evaluator.admit, account, key_id)
        declared = declared_bytes(request, OCTETS)
        if declared != admission.body_bytes:
            raise wrong_batch(admission.batch)
        body = await read(request, declared)
        answer = await provider.evaluator.evaluate(admission, body)
        return Response(answer, media_type=OCTETS, headers=_PRIVATE)


_BINARY: Final = {"type": "string", "format": "binary"}
_UNCHANGED: Final = {"description": "What you have is what there is (`If-None-Match`)."}
_PRIVATE: Final = {"cache-control": "no-store"}


async def _forget_regularly(provider: Provider, seconds: float) -> None:
    while True:
        try:
            await run_in_threadpool(provider.forget)
        except ProviderError as error:
            _log.warning("what has run out could not be erased: %s", error)
        await asyncio.sleep(seconds)


def _json(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON, headers=_PRIVATE)


def _envelope(request: Request, published: Published, *, caching: str) -> Response:
    tag = published.tag
    headers = {"etag": f'"{tag}"', "cache-control": caching}
    if _has(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(published.envelope, media_type=JSON, headers=headers)


def _has(request: Request, tag: str) -> bool:
    """Whether the other side says that it has what this tag names."""
    named = request.headers.get("if-none-match", "")
    return any(part.strip().removeprefix("W/") in (f'"{tag}"', "*") for part in named.split(","))
