"""`tutela list import`, `withdraw`, `sign`, `submit`, `vouches`: what a list authority does with hashes."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from click.core import ParameterSource
from rich.markup import escape
from rich.table import Table

from tutela.cli.authority import KEY, PASSPHRASE, open_key
from tutela.cli.console import JSON, Command, answer, complain, count, now, say, show, tell_error
from tutela.lists import agreement, feed, files, submission
from tutela.lists.errors import UnknownAuthority, UnreadableFeed, UnreadableSubmission, UnsignedSubmission
from tutela.lists.workspace import Workspace
from tutela.matching.shield import scheme_of
from tutela.signals.image import UnknownFormat, sniff
from tutela.wire import document, envelope, limits
from tutela.wire.errors import WireError
from tutela.wire.manifest import Agreement
from tutela.wire.submission import Item, ListClass, Submission

LIST = click.option(
    "--list",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    envvar="TUTELA_LIST",
    help="The list's folder. [the current one]",
)


def here() -> str:
    """Return ` --list FOLDER` if the command was told the folder so: the next one must be told, too."""
    context = click.get_current_context(silent=True)
    while context is not None:
        if context.get_parameter_source("root") is ParameterSource.COMMANDLINE:
            return f" --list {shlex.quote(str(context.params['root']))}"
        context = context.parent
    return ""


AS = click.option("--as", "authority_id", required=True, metavar="ID", help="The authority that speaks.")
ATTESTED = click.option("--attested", is_flag=True, help="A feed that states who verified each item.")
OUT = click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the unsigned submission goes.")
FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_COUNTED: Final = (
    ("of_another_type", "of another type than PDQ left out"),
    ("standing", "with a hash that already stands passed over"),
    ("repeated", "with a hash that came before passed over"),
    ("without_quality", "without a quality, taken to be {assumed}"),
    ("left_for_later", "left for the next submission: import again after this one"),
)


@click.command("import", cls=Command)
@FILE
@AS
@ATTESTED
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out instead of refusing the file.")
@click.option(
    "--assume-quality", type=click.IntRange(0, 100), help="The quality of rows that do not say it. [the rule's minimum]"
)
@OUT
@LIST
@JSON
def import_(
    file: Path,
    authority_id: str,
    attested: bool,
    skip_bad: bool,
    assume_quality: int | None,
    out: Path,
    root: Path,
    as_json: bool,
) -> None:
    """Read a CSV file of PDQ hashes into a submission, unsigned.

    \b
    Understood are exports with a column named pdq, or one named hash, signal_str or indicator with
    another one named type; quality and verified_by (names separated by |) are optional. Hashes for
    which the authority already vouches are passed over, so a whole export can be imported each time.

    \b
    Examples:
      tutela list import export.csv --as aurora --out draft.json
      tutela list import feed.csv --as icse --attested --out draft.json
    """
    workspace = Workspace.open(root)
    chain = workspace.chain(authority_id)
    list_class = ListClass.ATTESTED if attested else ListClass.AGREED
    minimum = workspace.settings.agreement.minimum_quality
    assumed = minimum if assume_quality is None else assume_quality
    items: dict[str, Item] = {}
    counts = dict.fromkeys(("rows", "bad", *(name for name, _ in _COUNTED)), 0)
    bad: list[dict[str, Any]] = []
    with file.open("rb") as opened:
        _refuse_picture(file, opened)
        for row in feed.rows(opened, list_class=list_class, assumed_quality=assumed, minimum_quality=minimum):
            counts["rows"] += 1
            if isinstance(row, feed.BadRow):
                counts["bad"] += 1
                if as_json:
                    bad.append({"line": row.line, "reason": row.reason})
                else:
                    complain(f"[yellow]Line {row.line}:[/] {escape(row.reason)}")
            elif isinstance(row, feed.OtherRow):
                counts["of_another_type"] += 1
            elif row.item.pdq in chain.standing[list_class]:
                counts["standing"] += 1
            elif row.item.pdq in items:
                counts["repeated"] += 1
            elif len(items) == limits.SUBMISSION_ITEMS:
                counts["left_for_later"] += 1
            else:
                counts["without_quality"] += row.assumed
                items[row.item.pdq] = row.item
    if counts["bad"] and not skip_bad:
        refused = UnreadableFeed(
            f"{counts['bad']} of {count(counts['rows'], 'row')} cannot be used; nothing was imported",
            hint="correct them, or leave them out with --skip-bad",
        )
        tell_error(refused, as_json=as_json, bad_rows=bad)
        raise click.exceptions.Exit(1)
    if not items:
        raise UnreadableFeed(
            f"{file} holds nothing new to vouch for ({count(counts['rows'], 'row')})",
            hint=f"what {authority_id} vouches for already is passed over; see: tutela list status{here()}",
        )
    made = chain.next(created=now(), list_class=list_class, vouched=items.values())
    files.write(out, document.encode(made))
    facts = {"draft": str(out), "number": made.number, "items": len(items), "bad_rows": bad} | counts

    def text() -> None:
        say(f"{escape(str(out))} is submission {made.number} of {authority_id}: {count(len(items), 'hash', 'hashes')}.")
        for name, sentence in (("bad", "with a mistake left out"), *_COUNTED):
            if counts[name]:
                say(f"{count(counts[name], 'row')} {sentence.format(assumed=assumed)}.")
        say(_signing(out))

    answer(as_json, facts, text)


@click.command(cls=Command)
@click.argument("hashes", nargs=-1)
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of hashes: one a line, or as `tutela list hash` writes it.",
)
@AS
@ATTESTED
@OUT
@LIST
@JSON
def withdraw(
    hashes: tuple[str, ...],
    source: Path | None,
    authority_id: str,
    attested: bool,
    out: Path,
    root: Path,
    as_json: bool,
) -> None:
    """Prepare a submission that withdraws hashes, unsigned.

    \b
    To withdraw a picture, hash it again, as it was hashed to vouch for it: all its hashes go.

    \b
    Examples:
      tutela list withdraw HASH --as aurora --out draft.json
      tutela list withdraw --from mistakes.csv --as aurora --out draft.json
      tutela list hash picture.jpg --out mistakes.csv      writes such a file
    """
    named = [*hashes, *(_hashes_in(source) if source else ())]
    if not named:
        raise click.UsageError("name the hashes to withdraw, or give --from")
    list_class = ListClass.ATTESTED if attested else ListClass.AGREED
    chain = Workspace.open(root).chain(authority_id)
    wanted = [name.strip().lower() for name in named]
    for name in wanted:
        if not _HASH.fullmatch(name):
            raise UnreadableSubmission(
                f"{name[:80]!r} is not a PDQ hash of 64 hexadecimal digits",
                hint="the hashes of a picture: tutela list hash PICTURE --out FILE.csv, then withdraw --from FILE.csv",
            )
    made = chain.next(created=now(), list_class=list_class, withdrawn=wanted)
    # Refused here already, not only when it is submitted.
    submission.check(chain, made)
    files.write(out, document.encode(made))
    facts = {"draft": str(out), "number": made.number, "withdrawn": len(wanted)}

    def text() -> None:
        hashes = count(len(wanted), "hash", "hashes")
        say(f"{escape(str(out))} is submission {made.number} of {authority_id}, which withdraws {hashes}.")
        say(_signing(out))

    answer(as_json, facts, text)


@click.command(cls=Command)
@FILE
@KEY
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the signed submission goes.")
@LIST
@PASSPHRASE
@JSON
def sign(file: Path, key_path: Path, out: Path, root: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Sign a submission, with the key of the authority that it speaks for, if the list would take it.

    \b
    Example:
      tutela list sign draft.json --key aurora.pem --out submission.json --list family.example
    """
    workspace = Workspace.open(root)
    key = open_key(key_path, passphrase_file)
    signer = workspace.member(key)
    made = _draft(file)
    if made.authority != signer.id:
        raise UnknownAuthority(
            f"{file} speaks for {made.authority}, and the key {key_path} is that of {signer.id}",
            hint=f"sign with the key of {made.authority}, or import again with --as {signer.id}",
        )
    submission.check(workspace.chain(signer.id), made)
    submission.check_quality(made, workspace.settings.agreement)
    signed = submission.seal(made, key)
    files.write(out, envelope.encode(signed) + b"\n")
    facts = {
        "submission": str(out),
        "authority": made.authority,
        "number": made.number,
        "vouched": len(made.vouched),
        "withdrawn": len(made.withdrawn),
    }

    def text() -> None:
        say(
            f"Signed by {escape(signer.name)}: submission {made.number} of {made.authority} ({made.list_class}), "
            f"{len(made.vouched):,} vouched for, {len(made.withdrawn):,} withdrawn."
        )
        say(f"Hand it in with: tutela list submit {escape(shlex.quote(str(out)) + here())}")

    answer(as_json, facts, text)


@click.command(cls=Command)
@FILE
@LIST
@JSON
def submit(file: Path, root: Path, as_json: bool) -> None:
    """Verify a signed submission and put it on the list's record.

    \b
    Example:
      tutela list submit submission.json --list family.example
    """
    data = files.read(file, limit=limits.ENVELOPE_BYTES)
    try:
        signed = envelope.decode(data)
    except WireError as error:
        if _reads(_decode_draft, data):
            raise UnsignedSubmission(
                f"{file} is not signed yet", hint=f"sign it first: {_sign(file, Path('FILE'))}"
            ) from error
        raise UnreadableSubmission(
            f"{file} is no submission: {error.message}", hint="make one with: tutela list import, then sign it"
        ) from error
    chain = Workspace.open(root).submit(signed)
    assert chain.head is not None
    standing = {str(c): len(items) for c, items in chain.standing.items()}
    answer(
        as_json,
        {"authority": chain.authority.id, "number": chain.head.number, "vouches_for": standing},
        lambda: say(
            f"Taken: submission {chain.head.number if chain.head else 0} of {chain.authority.id}, "
            f"which now vouches for {standing['agreed']:,} hashes and attests {standing['attested']:,}."
        ),
    )


@click.command(cls=Command)
@click.argument("pdq", required=False, metavar="[HASH]")
@LIST
@JSON
def vouches(pdq: str | None, root: Path, as_json: bool) -> None:
    """Show who vouches for what: for one hash, or in numbers.

    \b
    Examples:
      tutela list vouches --list family.example
      tutela list vouches HASH --list family.example
    """
    wanted = pdq.strip().lower() if pdq is not None else None
    if wanted is not None and not _HASH.fullmatch(wanted):
        raise click.UsageError(f"{wanted[:80]!r} is not a PDQ hash of 64 hexadecimal digits")
    workspace = Workspace.open(root)
    chains = workspace.chains()
    rule = workspace.settings.agreement
    found = agreement.vouched(chains, rule)
    supports = agreement.supports(found)
    scheme = scheme_of(workspace.settings.parameters)
    bands = agreement.agreed_bands(found, agreement.authorities_of(chains), rule, scheme)
    agreed = frozenset(pdq for pdq, shared in bands.items() if shared)
    if wanted is None:
        _tell_numbers(chains, supports, agreed, as_json)
    else:
        _tell_hash(wanted, chains, supports, agreed, rule, as_json)


def _tell_numbers(
    chains: tuple[submission.Chain, ...],
    supports: dict[str, agreement.Support],
    agreed: frozenset[str],
    as_json: bool,
) -> None:
    groups = Counter((tuple(sorted(support.all)), pdq in agreed) for pdq, support in supports.items())
    rows = [
        (who, number, listed) for (who, listed), number in sorted(groups.items(), key=lambda one: (-one[1], one[0]))
    ]
    attested = {chain.authority.id: len(feed) for chain in chains if (feed := chain.standing[ListClass.ATTESTED])}

    def text() -> None:
        table = Table("who vouches", "hashes", "listed as agreed")
        for who, number, listed in rows:
            table.add_row(", ".join(who), f"{number:,}", "yes" if listed else "no: too few vouch")
        show(table)
        for one, number in attested.items():
            say(f"{one} attests {count(number, 'hash', 'hashes')}.")

    facts = [{"authorities": list(who), "hashes": number, "listed": listed} for who, number, listed in rows]
    answer(as_json, {"agreed": facts, "attested": attested}, text)


def _tell_hash(
    pdq: str,
    chains: tuple[submission.Chain, ...],
    supports: dict[str, agreement.Support],
    agreed: frozenset[str],
    rule: Agreement,
    as_json: bool,
) -> None:
    support = supports.get(pdq, agreement.Support(frozenset(), frozenset()))
    feeds = {
        chain.authority.id: list(item.verified_by)
        for chain in chains
        if (item := chain.standing[ListClass.ATTESTED].get(pdq)) is not None
    }
    listed = ListClass.AGREED if pdq in agreed else ListClass.ATTESTED if feeds else None
    facts = {
        "hash": pdq,
        "vouched_by": sorted(support.exact),
        "same_item_vouched_by": sorted(support.near),
        "attested_by": feeds,
        "listed": listed,
    }

    def text() -> None:
        say(f"vouched for by     {', '.join(sorted(support.exact)) or 'nobody'}")
        if support.near:
            say(f"same item, by      {', '.join(sorted(support.near))} (a hash within {rule.same_item_distance} bits)")
        for who, names in feeds.items():
            say(f"attested by        {who}, verified by {escape(', '.join(names))}")
        say(f"listed             {f'yes, as {listed}' if listed else 'no'}")

    answer(as_json, facts, text)


def _draft(path: Path) -> Submission:
    data = files.read(path, limit=limits.ENVELOPE_BYTES)
    try:
        return _decode_draft(data)
    except WireError as error:
        if _reads(envelope.decode, data):
            raise UnreadableSubmission(
                f"{path} is signed already",
                hint=f"hand it in with: tutela list submit {shlex.quote(str(path))}{here()}",
            ) from error
        raise UnreadableSubmission(
            f"{path} is no draft of a submission: {error.message}", hint="make one with: tutela list import"
        ) from error


def _decode_draft(data: bytes) -> Submission:
    return document.decode(data.rstrip(b"\n"), Submission, limit=limits.ENVELOPE_BYTES)


def _reads(decode: Callable[[bytes], object], data: bytes) -> bool:
    try:
        decode(data)
    except WireError:
        return False
    return True


def _refuse_picture(path: Path, opened: BinaryIO) -> None:
    """Tell whoever gives a picture in place of its hashes what to do instead, and leave the file as it was."""
    try:
        kind = sniff(opened.read(64))
    except UnknownFormat:
        opened.seek(0)
        return
    raise UnreadableFeed(
        f"{path} is not a CSV text file; this looks like a {kind.value} picture",
        hint=f"hash it first: tutela list hash {shlex.quote(str(path))} --out hashes.csv, then give hashes.csv",
    )


def _hashes_in(path: Path) -> list[str]:
    """Return the hashes in a CSV file or in plain lines, each once; their quality does not matter."""
    found: dict[str, None] = {}
    with path.open("rb") as opened:
        _refuse_picture(path, opened)
        for row in feed.rows(opened, list_class=None, assumed_quality=100, minimum_quality=0):
            if isinstance(row, feed.BadRow):
                raise UnreadableFeed(
                    f"{path}, line {row.line}: {row.reason}",
                    hint="give hashes, one a line, or what this writes: tutela list hash PICTURE --out FILE.csv",
                )
            if isinstance(row, feed.GoodRow):
                found[row.item.pdq] = None
    return list(found)


def _signing(draft: Path) -> str:
    return f"Sign it with: {escape(_sign(draft, Path('submission.json')))}"


def _sign(draft: Path, out: Path) -> str:
    return f"tutela list sign {shlex.quote(str(draft))} --key KEY --out {out}{here()}"


COMMANDS: Final = (import_, withdraw, sign, submit, vouches)
