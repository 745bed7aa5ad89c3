"""`tutela audit`: the audit log, at the provider's terminal, and at that of whoever checks it from outside."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import click
from rich.markup import escape

from tutela.cli.console import JSON, Group, answer, count, say
from tutela.cli.provider import CONFIG, read_settings
from tutela.lists import files
from tutela.provider.database import Database
from tutela.provider.review import audit as log
from tutela.provider.review import audit_key
from tutela.provider.review.checkpoints import Checkpoints, check_leaves
from tutela.provider.service import Provider
from tutela.transparency import checkpoint as checkpoints
from tutela.transparency.errors import MalformedCheckpoint, MalformedNote
from tutela.transparency.note import NOTE_BYTES, VerifierKey

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_OUT: Final = click.option("--out", type=_FILE, help="A file that is not there yet; by default standard output.")
_AGAINST: Final = click.option(
    "--against", type=_FILE, metavar="CHECKPOINT", help="An older checkpoint that you kept: the log must follow it."
)


@click.group(cls=Group)
def audit() -> None:
    """Verify the audit log of what people decided, and sign it.

    \b
    At the provider, regularly, with a checkpoint that is kept somewhere else:
      tutela audit checkpoint --out 2026-11-24.checkpoint
      tutela audit verify --against 2026-11-24.checkpoint

    \b
    Anywhere else, with nothing but files and the provider's key (`tutela audit key`):
      tutela audit check audit.jsonl new.checkpoint --key KEY --against old.checkpoint

    Exit codes: 0 the log is whole; 1 it is not, or something could not be read; 2 wrong usage.
    """


@audit.command()
@_AGAINST
@CONFIG
@JSON
def verify(against: Path | None, config: Path, as_json: bool) -> None:
    """Read the whole log, and check that it is what was written, and that it follows its checkpoints.

    \b
    Examples:
      tutela audit verify --config /srv/tutela/provider.toml
      tutela audit verify --against 2026-11-24.checkpoint
    """
    with _opened(config) as (kept, _), nullcontext() if against is None else _named(against) as older:
        newest = kept.verified(older)
    facts = {"whole": True, "entries": newest.size, "root": newest.root.hex()}
    answer(as_json, facts, lambda: say(f"The log is whole: {count(newest.size, 'entry', 'entries')}."))


@audit.command()
@_OUT
@CONFIG
def checkpoint(out: Path | None, config: Path) -> None:
    """Verify the log, and write a signed checkpoint of it (C2SP tlog-checkpoint).

    \b
    Example:
      tutela audit checkpoint --out 2026-11-24.checkpoint
    """
    with _opened(config) as (kept, _):
        _write(out, kept.sign(), "A signed checkpoint is")


@audit.command()
@_OUT
@CONFIG
def leaves(out: Path | None, config: Path) -> None:
    """Write all entries, one a line, as they were hashed. They name nobody outside of the staff.

    \b
    Example:
      tutela audit leaves --out audit.jsonl
    """
    with _opened(config) as (_, database):
        _write(out, b"".join(leaf + b"\n" for leaf in log.leaves(database)), "All entries are")


@audit.command()
@CONFIG
@JSON
def key(config: Path, as_json: bool) -> None:
    """Print the key with which checkpoints are verified: publish it.

    \b
    Example:
      tutela audit key --config /srv/tutela/provider.toml
    """
    with _opened(config) as (kept, _):
        text = kept.key.verifier.encode()
    answer(as_json, {"key": text}, lambda: click.echo(text))


@audit.command()
@click.argument("leaves", type=_FILE)
@click.argument("checkpoint", type=_FILE)
@click.option(
    "--key", "vkey", required=True, metavar="KEY", help="The provider's key, as `tutela audit key` prints it."
)
@_AGAINST
@JSON
def check(leaves: Path, checkpoint: Path, vkey: str, against: Path | None, as_json: bool) -> None:
    """Check entries against a signed checkpoint, without the provider: LEAVES is what `leaves` wrote.

    \b
    Entries that came after the checkpoint are passed over. Example:
      tutela audit check audit.jsonl new.checkpoint --key KEY --against old.checkpoint
    """
    verifier = VerifierKey.decode(vkey)
    with _named(checkpoint) as data:
        signed = checkpoints.read(data, verifier)
    older = None
    if against is not None:
        with _named(against) as data:
            older = checkpoints.read(data, verifier)
    with leaves.open("rb") as lines:
        check_leaves((line.removesuffix(b"\n") for line in lines), signed, older)
    told = f"The log {escape(signed.origin)} is whole: {count(signed.size, 'entry', 'entries')}, as was signed."
    answer(as_json, {"whole": True, "entries": signed.size, "root": signed.root.hex()}, lambda: say(told))


@contextmanager
def _opened(config: Path) -> Iterator[tuple[Checkpoints, Database]]:
    settings = read_settings(config)
    with closing(Provider.open(settings)) as provider:
        signer = audit_key.load(settings.audit_key, settings.name, secrets.token_bytes)
        yield Checkpoints(provider.database, signer, settings.audit_checkpoint), provider.database


def _write(out: Path | None, data: bytes, what: str) -> None:
    if out is None:
        click.echo(data, nl=False)
    else:
        files.create(out, data)
        say(f"{what} in {escape(str(out))}. Keep it somewhere else, too.")


@contextmanager
def _named(file: Path) -> Iterator[bytes]:
    """Read a checkpoint; say which file it was that is none."""
    try:
        yield files.read(file, limit=NOTE_BYTES)
    except (MalformedNote, MalformedCheckpoint) as error:
        hint = "Give what `tutela audit checkpoint` wrote."
        raise type(error)(f"{file} is not a checkpoint: {error.message}", hint=hint) from error
