"""`tutela authority`: a list authority's key and its public descriptor."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import click
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.markup import escape

from tutela.cli.console import JSON, Group, answer, passphrase_of, say
from tutela.lists import authority as keys
from tutela.lists import files
from tutela.lists.countries import check_country
from tutela.lists.errors import AlreadyThere, BadKeyFile, ListError, UnknownCountry
from tutela.wire import document, envelope, limits
from tutela.wire.errors import WireError
from tutela.wire.manifest import Authority, AuthorityName
from tutela.wire.submission import AuthorityId, Jurisdiction

PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="TUTELA_PASSPHRASE_FILE",
    help="A file whose first line is the key's passphrase.",
)


KEY = click.option(
    "--key",
    "key_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The authority's secret key.",
)
_ID_RULE: Final = "an id has 1 to 63 characters (a-z, 0-9, dots and hyphens) and starts with a letter or a digit"


@click.group(cls=Group)
def authority() -> None:
    """Make and show a list authority's key.

    A list authority is a child-protection organisation that vouches for hashes and signs the epochs that it audited.
    """


@authority.command()
@click.argument("authority_id", metavar="ID")
@click.option("--name", required=True, help="The organisation's name, as people know it.")
@click.option("--jurisdiction", required=True, metavar="CC", help="The country whose law binds it, as in ISO 3166-1.")
@click.option("--key", "key_path", type=click.Path(path_type=Path), help="Where the secret key goes. [ID.pem]")
@click.option("--out", type=click.Path(path_type=Path), help="Where the public descriptor goes. [ID.json]")
@click.option("--encrypt", is_flag=True, help="Ask for a passphrase and encrypt the key under it.")
@PASSPHRASE
@JSON
def create(
    authority_id: str,
    name: str,
    jurisdiction: str,
    key_path: Path | None,
    out: Path | None,
    encrypt: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a signing key and its descriptor.

    \b
    The key stays with you. The descriptor goes to the provider, who admits you with it.
    ID is short and stays the same for ever: a-z, 0-9, dots and hyphens.

    \b
    Examples:
      tutela authority create aurora --name "Aurora Hotline" --jurisdiction FI
      tutela authority create aurora --name "Aurora Hotline" --jurisdiction FI --encrypt
    """
    for value, kind, rule in (
        (authority_id, AuthorityId, _ID_RULE),
        (name, AuthorityName, "the name has 1 to 120 characters"),
        (jurisdiction, Jurisdiction, "the jurisdiction is a country's two capital letters in ISO 3166-1, such as FI"),
    ):
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise click.UsageError(f"{value[:40]!r} will not do: {rule}") from error
    try:
        check_country(jurisdiction)
    except UnknownCountry as error:
        raise click.UsageError(f"{error.message}: {error.hint}") from error
    key = keys.key_of_seed(secrets.token_bytes(keys.SEED_BYTES))
    made = keys.describe(key, authority_id=authority_id, name=name, jurisdiction=jurisdiction)
    passphrase = passphrase_of(passphrase_file, encrypted=encrypt, confirm=True)
    if encrypt and not passphrase:
        raise click.UsageError("--encrypt asks for a passphrase: give --passphrase-file where nobody can type it")
    key_path = key_path or Path(f"{authority_id}.pem")
    out = out or Path(f"{authority_id}.json")
    for path in (key_path, out):
        if path.exists():
            raise AlreadyThere(
                f"{path} is there already",
                hint=f"an authority makes its key once; see what it is with: tutela authority show {path}. "
                "For another authority choose another ID, or other places with --key and --out",
            )
    files.create(key_path, keys.encode_key(key, passphrase), mode=files.SECRET)
    files.create(out, files.pretty(made))
    facts = {"key": str(key_path), "descriptor": str(out), "encrypted": passphrase is not None} | _facts(made)

    def text() -> None:
        say(f"The secret key of {escape(name)} is in [bold]{escape(str(key_path))}[/]: keep it, show it to nobody.")
        say(f"Its public descriptor is in [bold]{escape(str(out))}[/]: send it to the provider.")

    answer(as_json, facts, text)


@authority.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@PASSPHRASE
@JSON
def show(file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show what a descriptor says, or the public half of a key.

    \b
    Examples:
      tutela authority show aurora.json
      tutela authority show aurora.pem
    """
    data = files.read(file, limit=limits.MANIFEST_BYTES)
    if keys.is_secret(data):
        public = open_key(file, passphrase_file)
        facts = {"public_key": keys.public_hex(public), "key_id": envelope.key_id(public.public_key())}
    else:
        facts = _facts(read_descriptor(file))

    def text() -> None:
        for name, value in facts.items():
            say(f"{name.replace('_', ' '):>14}  {escape(value)}")

    answer(as_json, facts, text)


def open_key(path: Path, passphrase_file: Path | None) -> Ed25519PrivateKey:
    """Return the signing key in a file, asking for its passphrase if it has one.

    Raises:
        BadKeyFile: it holds none, other users can read it, or the passphrase is missing or wrong.
    """
    _refuse_descriptor(path)
    pem = files.read_secret(path)
    try:
        return keys.decode_key(pem, passphrase_of(passphrase_file, encrypted=keys.is_encrypted(pem)))
    except BadKeyFile as error:
        raise BadKeyFile(f"{path}: {error.message}", hint=error.hint) from error


def _refuse_descriptor(path: Path) -> None:
    try:
        described = read_descriptor(path)
    except ListError:
        return
    raise BadKeyFile(
        f"{path} is the public descriptor of {described.id}, not its secret key",
        hint=f"give the file that begins with BEGIN PRIVATE KEY, perhaps {described.id}.pem",
    )


def read_descriptor(path: Path) -> Authority:
    """Return what a descriptor says.

    Raises:
        BadKeyFile: the file holds none.
    """
    data = files.read(path, limit=limits.MANIFEST_BYTES)
    if keys.is_secret(data):
        raise BadKeyFile(
            f"{path} is a SECRET key, not a descriptor",
            hint=f"give the descriptor beside it, perhaps {path.with_suffix('.json').name}. If the key was sent to "
            "anybody, it is not secret any more: its authority makes a new one with tutela authority create, and asks "
            "to be admitted with that",
        )
    try:
        return document.decode(data, Authority, limit=limits.MANIFEST_BYTES, canonical=False)
    except WireError as error:
        raise BadKeyFile(
            f"{path} is neither a descriptor nor a key: {error.message}", hint="make both with: tutela authority create"
        ) from error


def _facts(made: Authority) -> dict[str, str]:
    return {
        "id": made.id,
        "name": made.name,
        "jurisdiction": made.jurisdiction,
        "public_key": made.public_key,
        "key_id": envelope.key_id(keys.public_key_of(made)),
    }
