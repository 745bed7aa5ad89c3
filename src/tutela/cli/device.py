"""`tutela device`: the guard for clients that are not written in Python, and for trying it by hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.markup import escape

from tutela import durable
from tutela.cli.console import JSON, Command, Group, answer, say
from tutela.device.client import SignInCallback
from tutela.device.guard import Guard
from tutela.device.openid import matrix_sign_in
from tutela.device.picture_file import read_picture
from tutela.device.profile import KEY_BYTES
from tutela.device.rpc import MAX_LINE, RpcServer
from tutela.device.trust import load_trust_root
from tutela.device.verdict import Outcome, Verdict
from tutela.errors import TutelaError
from tutela.language import LANGUAGES, words
from tutela.wire.manifest import TrustRoot

TOKEN_VARIABLE: Final = "TUTELA_ACCESS_TOKEN"  # noqa: S105 (a name)
#: 1 is for what could not even be asked, 2 for wrong usage, as everywhere.
EXIT_CODES: Final = {Outcome.ALLOW: 0, Outcome.WARN: 3, Outcome.STOP: 4, Outcome.UNCHECKED: 5}
_TOKEN_BYTES: Final = 4096

_PROFILE = click.option(
    "--profile", type=click.Path(file_okay=False, path_type=Path), required=True, help="The device's folder."
)
_KEY = click.option(
    "--key", "key_file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Its key."
)
_PROVIDER = click.option("--provider", required=True, metavar="URL", help="The provider's address.")
_TRUST_ROOT = click.option(
    "--trust-root", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Whose signatures count."
)


@click.group(cls=Group)
def device() -> None:
    """Guard pictures on a user's device, for a client in any language."""


@device.command(cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@JSON
def key(file: Path, as_json: bool) -> None:
    """Make a profile's key in FILE: 32 random bytes that only you can read.

    A client keeps this key where its platform keeps secrets; the file is for development.

    \b
    Example:
      tutela device key mia.key
    """
    if file.exists():
        raise TutelaError(f"{file} exists already", hint="Choose another name; a profile opens only with its own key.")
    try:
        durable.replace(file, secrets.token_bytes(KEY_BYTES), mode=durable.SECRET)
    except OSError as error:
        raise TutelaError(f"{file} cannot be written: {error.strerror}") from error
    answer(as_json, {"key": str(file)}, lambda: say(f"Wrote {file}. Keep it as secret as what it protects."))


@device.command(cls=Command)
@_PROFILE
@_KEY
@_PROVIDER
@_TRUST_ROOT
def serve(profile: Path, key_file: Path, provider: str, trust_root: Path) -> None:
    """Answer JSON-RPC 2.0 on standard input and output, one message a line. `docs/device.md` has the methods.

    \b
    Example:
      tutela device serve --profile mia --key mia.key --provider http://127.0.0.1:8470 --trust-root trust-root.json
      {"jsonrpc": "2.0", "id": 1, "method": "check_outgoing", "params": {"path": "photo.jpg", "language": "fr"}}
    """
    root = load_trust_root(trust_root)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(profile, _read(key_file), provider, root))


async def _serve(profile: Path, key: bytes, provider: str, root: TrustRoot) -> None:
    reader, write = await _standard_streams()
    server = RpcServer(reader, write)
    # The client may have to answer for a token before there is anything to update with.
    opened = Guard.open(profile, key=key, provider=provider, trust_root=root, sign_in=server.openid_token, update=False)
    async with await opened as guard:
        await server.serve(guard)


async def _standard_streams() -> tuple[asyncio.StreamReader, Callable[[bytes], Awaitable[None]]]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE)
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    except (ValueError, OSError) as error:
        raise TutelaError(
            "standard input is no pipe",
            hint="Let a program write to it, or for a file: cat FILE | tutela device serve …",
        ) from error

    async def write(data: bytes) -> None:
        await asyncio.to_thread(_write_all, sys.stdout.fileno(), data)

    return reader, write


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TutelaError(f"{path} cannot be read: {error.strerror}") from error


@device.command(cls=Command)
@_PROFILE
@_KEY
@_PROVIDER
@_TRUST_ROOT
@JSON
def update(profile: Path, key_file: Path, provider: str, trust_root: Path, as_json: bool) -> None:
    """Fetch the newest epoch, verify it, and say what it is. Needs no sign-in.

    \b
    Example:
      tutela device update --profile mia --key mia.key --provider http://127.0.0.1:8470 --trust-root trust-root.json
    """
    root = load_trust_root(trust_root)
    facts = asyncio.run(_update(profile, _read(key_file), provider, root))
    answer(as_json, facts, lambda: say("\n".join(f"{name}: {value}" for name, value in facts.items())))


async def _update(profile: Path, key: bytes, provider: str, root: TrustRoot) -> dict[str, object]:
    async def nobody() -> None:
        raise TutelaError("updating needs no sign-in")

    opened = Guard.open(profile, key=key, provider=provider, trust_root=root, sign_in=nobody, update=False)  # type: ignore[arg-type]
    async with await opened as guard:
        await guard.update()
        assert guard.epoch is not None
        manifest = guard.epoch.manifest
        return {
            "epoch": manifest.epoch,
            "created": manifest.created,
            **{f"{entry.list_class.value} items": entry.items for entry in manifest.lists},
            "segments": len(manifest.segments),
            "bytes": sum(entry.size for entry in manifest.segments),
        }


@device.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@_PROVIDER
@_TRUST_ROOT
@click.option("--homeserver", required=True, metavar="URL", help="The Matrix homeserver that vouches for you.")
@click.option(
    "--token-file",
    type=click.Path(allow_dash=True, path_type=Path),
    help=f"Your access token there, - for standard input; by default in {TOKEN_VARIABLE}.",
)
@click.option("--profile", type=click.Path(file_okay=False, path_type=Path), help="A device's folder; else a new one.")
@click.option("--key", "key_file", type=click.Path(dir_okay=False, path_type=Path), help="The profile's key.")
@click.option("--received", is_flag=True, help="As a picture that has arrived, not one about to be sent.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", help="Of the words for the user.")
@JSON
@click.pass_context
def check(
    ctx: click.Context,
    file: Path,
    provider: str,
    trust_root: Path,
    homeserver: str,
    token_file: Path | None,
    profile: Path | None,
    key_file: Path | None,
    received: bool,
    language: str,
    as_json: bool,
) -> None:
    """Check the picture in FILE as a client would, and say what came out. So you see whether a provider works.

    Fetches and verifies the newest epoch, signs in with a Matrix account and asks. Nothing is kept, unless you give a
    profile with its key.

    \b
    Exit codes:
      0 allow   3 warn   4 stop   5 unchecked (it says why)
      1 could not be asked   2 wrong usage

    \b
    Examples:
      tutela device check photo.jpg --provider https://tutela.example.org --trust-root trust-root.json \\
          --homeserver https://matrix.example.org --token-file token
      pass show matrix/token | tutela device check photo.jpg --token-file - --json …
    """
    if (profile is None) != (key_file is None):
        raise click.UsageError("--profile and --key go together")
    sign_in = matrix_sign_in(homeserver, _access_token(token_file))
    root = load_trust_root(trust_root)
    picture = read_picture(file)
    with _profile(profile, key_file) as (folder, key):
        verdict, epoch = asyncio.run(_check(picture, folder, key, provider, root, sign_in, received=received))
    facts = verdict.facts(words(language))
    answer(as_json, facts, lambda: _print_verdict(facts, verdict, epoch))
    ctx.exit(EXIT_CODES[verdict.outcome])


async def _check(
    picture: bytes, folder: Path, key: bytes, provider: str, root: TrustRoot, sign_in: SignInCallback, *, received: bool
) -> tuple[Verdict, str]:
    opened = Guard.open(folder, key=key, provider=provider, trust_root=root, sign_in=sign_in, update=False)
    async with await opened as guard:
        news = ""
        try:
            await guard.update()
        except TutelaError as error:
            if guard.epoch is None:
                raise
            news = f" (no newer one: {error})"  # the check goes on with the one that is held, as in a client
        assert guard.epoch is not None
        manifest = guard.epoch.manifest
        verdict = await (guard.check_incoming if received else guard.check_outgoing)(picture)
        return verdict, f"{manifest.epoch} of {manifest.provider}, made {manifest.created}{news}"


def _print_verdict(facts: dict[str, Any], verdict: Verdict, epoch: str) -> None:
    colour = {Outcome.ALLOW: "green", Outcome.STOP: "red"}.get(verdict.outcome, "yellow")
    listed = f", {verdict.list_class.value}" if verdict.list_class else ""
    say(f"outcome: [bold {colour}]{verdict.outcome.value}[/] ({verdict.reason.value}{listed})")
    if verdict.outcome is Outcome.UNCHECKED:
        say(f"policy:  {verdict.action.value}")
        say(f"why:     {escape(verdict.detail)}")
    say(f"epoch:   {escape(epoch)}")
    if facts["title"]:
        say(f"words:   {escape(facts['title'])}\n         {escape(facts['text'])}")


@contextlib.contextmanager
def _profile(folder: Path | None, key_file: Path | None) -> Iterator[tuple[Path, bytes]]:
    if folder is not None and key_file is not None:
        yield folder, _read(key_file)
        return
    with tempfile.TemporaryDirectory(prefix="tutela-") as temporary:
        yield Path(temporary), secrets.token_bytes(KEY_BYTES)


def _access_token(file: Path | None) -> str:
    """Read it from where other users of the machine do not see it: a command line is public."""
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE)  # noqa: TID251 (the edge)
        if token is None:
            raise click.UsageError(f"give an access token: --token-file FILE, or -, or put it into {TOKEN_VARIABLE}")
        return token.strip()
    try:
        with click.open_file(str(file), "rb") as opened:
            token = bytes(opened.read(_TOKEN_BYTES)).decode(errors="replace")
    except OSError as error:
        raise TutelaError(f"{file} cannot be read: {error.strerror}") from error
    return token.strip()
