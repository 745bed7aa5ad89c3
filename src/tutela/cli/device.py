"""`tutela device`: the guard for clients that are not written in Python, and for trying it by hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from tutela.cli.console import JSON, Command, Group, answer, say
from tutela.device.guard import Guard
from tutela.device.profile import KEY_BYTES, write_atomically
from tutela.device.rpc import MAX_LINE, RpcServer
from tutela.device.trust import load_trust_root
from tutela.errors import TutelaError
from tutela.wire.manifest import TrustRoot


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
        write_atomically(file, secrets.token_bytes(KEY_BYTES))
    except OSError as error:
        raise TutelaError(f"{file} cannot be written: {error.strerror}") from error
    answer(as_json, {"key": str(file)}, lambda: say(f"Wrote {file}. Keep it as secret as what it protects."))


@device.command(cls=Command)
@click.option("--profile", type=click.Path(file_okay=False, path_type=Path), required=True, help="The device's folder.")
@click.option("--key", "key_file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Its key.")
@click.option("--provider", required=True, metavar="URL", help="The provider's address.")
@click.option(
    "--trust-root", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Whose signatures count."
)
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
@click.option("--profile", type=click.Path(file_okay=False, path_type=Path), required=True, help="The device's folder.")
@click.option("--key", "key_file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Its key.")
@click.option("--provider", required=True, metavar="URL", help="The provider's address.")
@click.option(
    "--trust-root", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Whose signatures count."
)
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
