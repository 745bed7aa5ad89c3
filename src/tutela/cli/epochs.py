"""`tutela list build`, `audit`, `approve`, `collect`: epochs, and who may sign them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.markup import escape

from tutela.cli.authority import KEY, PASSPHRASE, open_key, read_descriptor
from tutela.cli.console import JSON, Command, answer, complain, count, now, progress, say
from tutela.cli.submissions import LIST, here
from tutela.lists import audit as auditing
from tutela.lists import canonical, files, times
from tutela.lists.audit import Audit, Held
from tutela.lists.authority import check_descriptor
from tutela.lists.changes import conversations_of
from tutela.lists.errors import BuildRefused, UnacceptedChanges, WorkspaceDamaged
from tutela.lists.keys import rotated_until
from tutela.lists.signing_record import SigningRecord
from tutela.lists.workspace import Workspace
from tutela.wire import envelope, limits
from tutela.wire.errors import WireError
from tutela.wire.manifest import Manifest
from tutela.wire.submission import ListClass

WORKERS = click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to use.")
EPOCH = click.argument("epoch", type=click.IntRange(1), required=False)
CHECKS: Final = (
    "the manifest is canonical and fits together",
    "it follows the epoch before",
    "it applies the rule, parameters and schedule agreed",
    "it names the authorities admitted",
    "it rests on signed submissions in unbroken chains",
    "its lists follow from these submissions",
    "its keys continue those before",
    "its layers follow the schedule",
    "its segment files are those it binds",
    "the evaluations hold under its key",
    "its filters are rebuilt byte for byte",
)


@click.command(cls=Command)
@LIST
@click.option("--rotate-key", is_flag=True, help="Make a new OPRF key; devices download everything once.")
@click.option(
    "--overlap-days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long the old key answers."
)
@click.option("--compromised", is_flag=True, help="Make a new key; the old one retires at once.")
@click.option("--again", is_flag=True, help="Build the newest epoch anew, if nobody has signed it; a new key stays.")
@WORKERS
@JSON
def build(
    root: Path, rotate_key: bool, overlap_days: int, compromised: bool, again: bool, workers: int, as_json: bool
) -> None:
    """Build the next epoch from what stands.

    Takes about 110 microseconds for each of six band entries of a hash in a new layer: a minute for 100,000 hashes.

    \b
    Examples:
      tutela list build --list family.example
      tutela list build --rotate-key --overlap-days 30      once a year
      tutela list build --compromised                       when the key may have leaked
    """
    created = now()
    until = times.later(created, timedelta(days=overlap_days)) if rotate_key else None
    workspace = Workspace.open(root)
    if not again:
        _refuse_unsigned(workspace, "--compromised" if compromised else "--rotate-key" if rotate_key else "")
    with progress("Evaluating", quiet=as_json) as told:
        made = workspace.build(
            created=created,
            rotate_until=created if compromised else until,
            again=again,
            workers=workers,
            progress=told,
        )
    manifest = made.manifest
    warnings = list(_of_nothing_agreed(workspace, manifest))
    until = _rotation(workspace, manifest)
    facts = facts_of(manifest) | {"download": sum(layer.entry.size for layer in made.built), "warnings": warnings}

    def text() -> None:
        for warning in warnings:
            complain(f"[yellow]Warning:[/] {escape(warning)}")
        say(f"Epoch [bold]{manifest.epoch}[/] is built: {counts_of(manifest)}.")
        say(f"A device that holds the epoch before downloads {facts['download']:,} bytes.")
        if until is not None:
            ends = "retires at once" if until == manifest.created else f"answers until {until}"
            say(f"Its key {manifest.keys[0].id} is new; the one before {ends}.")
        say(f"Now the authorities audit and sign it: tutela list approve {manifest.epoch} --key KEY{here()}")

    answer(as_json, facts, text)


def _refuse_unsigned(workspace: Workspace, rotation: str) -> None:
    """Refuse to build on an epoch that nobody has signed: most who do meant to replace it."""
    newest = next(reversed(workspace.epochs()), None)
    if newest is None or workspace.epoch(newest).envelope().signatures:
        return
    again = f"tutela list build --again{here()}"
    sign = f"have it signed first: tutela list approve {newest} --key KEY{here()}"
    if rotation and _rotation(workspace, workspace.epoch(newest).manifest()) is not None:
        raise BuildRefused(
            f"epoch {newest} has a new key already, and nobody has signed it yet",
            hint=f"{sign}. To build it anew under its new key: {again}. If the old key may have leaked: "
            f"{again} --compromised",
        )
    raise BuildRefused(
        f"nobody has signed epoch {newest} yet",
        hint=f"replace it with: {f'{again} {rotation}'.rstrip()}. Or {sign}, and take over what was signed elsewhere "
        "(tutela list collect)",
    )


def _rotation(workspace: Workspace, manifest: Manifest) -> str | None:
    """Return when the key of the epoch before retires, if this one has another."""
    return rotated_until(workspace.epoch(manifest.epoch - 1).manifest(), manifest) if manifest.epoch > 1 else None


def _of_nothing_agreed(workspace: Workspace, manifest: Manifest) -> Iterator[str]:
    if any(one.items for one in manifest.lists if one.list_class is ListClass.AGREED):
        return
    vouched = {pdq for chain in workspace.chains() for pdq in chain.standing[ListClass.AGREED]}
    rule = manifest.agreement
    if vouched:
        yield (
            f"nothing is agreed: of {count(len(vouched), 'hash', 'hashes')} that somebody vouches for, none is vouched "
            f"for by {rule.authorities} authorities of {rule.jurisdictions} jurisdictions. Who vouches for what: "
            f"tutela list vouches{here()}. Another authority vouches with: tutela list import, sign, submit"
        )
    else:
        yield "nothing is agreed: nobody vouches for a hash yet. Authorities begin with: tutela list import"


@click.command(cls=Command)
@EPOCH
@LIST
@WORKERS
@JSON
def audit(epoch: int | None, root: Path, workers: int, as_json: bool) -> None:
    """Rebuild an epoch from the submissions and the evaluations, and check every byte of it.

    \b
    Examples:
      tutela list audit --list family.example          the newest epoch
      tutela list audit 12 --list family.example
    """
    workspace = Workspace.open(root)
    folder = workspace.epoch(epoch)
    number = int(folder.path.name)
    found = _audited(workspace, workspace.held(number, None), number, workers, as_json)
    answer(as_json, _audit_facts(found), lambda: _tell_audit(found))


@click.command(cls=Command)
@EPOCH
@KEY
@click.option("--accept-changes", is_flag=True, help="Sign although the rule, policy, authorities or key change.")
@click.option(
    "--descriptor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The authority's own descriptor. [beside the key, if it is there: aurora.json for aurora.pem]",
)
@click.option("--full", is_flag=True, help="Also evaluate layers again that this key signed in the epoch before.")
@LIST
@PASSPHRASE
@WORKERS
@JSON
def approve(
    epoch: int | None,
    key_path: Path,
    accept_changes: bool,
    descriptor: Path | None,
    full: bool,
    root: Path,
    passphrase_file: Path | None,
    workers: int,
    as_json: bool,
) -> None:
    """Audit an epoch, and sign its manifest if everything holds.

    Nothing is signed that changes the rule, the policy, the authorities or the key, or that follows an epoch which you
    did not sign, unless you say that you accept it. In a first epoch all of that is new. Nor is anything signed by a
    key that signed another epoch of that number, or a later one: KEY.signed beside the key remembers.

    \b
    Examples:
      tutela list approve --key aurora.pem --list family.example
      tutela list approve 12 --key aurora.pem --accept-changes
    """
    workspace = Workspace.open(root)
    key = open_key(key_path, passphrase_file)
    signer = workspace.member(key)
    number = int(workspace.epoch(epoch).path.name)
    own = descriptor or key_path.with_suffix(".json")
    if descriptor is not None or own.is_file():
        check_descriptor(read_descriptor(own), signer)
    record = SigningRecord.beside(key_path, key)
    record.check(workspace.epoch(number).envelope().unverified_payload)
    held = workspace.held(number, key, full=full)
    found = _audited(workspace, held, number, workers, as_json)
    signed_before = held.previous is not None and not held.unsigned_past
    noticed = record.changes(found.manifest, signed_before=signed_before)
    changes = (*noticed, *found.changes)
    if changes and not accept_changes:
        raise UnacceptedChanges(
            "\n  ".join(("the epoch holds, but somebody must look at what is new in it:", *changes)),
            hint="if all of this is wanted, add --accept-changes",
        )
    workspace.approve(number, found.payload, key, record)
    signers = [one.id for one in workspace.signers(number)]

    def text() -> None:
        _tell_audit(replace(found, changes=noticed))
        if found.changes:
            them = "it" if len(found.changes) == 1 else "them"
            accepted = count(len(found.changes), "change")
            say(f"{accepted} accepted; to see {them} again: tutela list audit {number}{escape(here())}")
        key_id = envelope.key_id(key.public_key())
        say(f"Signed by {escape(signer.name)} ({signer.jurisdiction}) with the key {key_id}.")
        say(f"Epoch {number} now bears the signatures of {', '.join(signers)}.")

    answer(as_json, _audit_facts(replace(found, changes=changes)) | {"signers": signers}, text)


@click.command(cls=Command)
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@EPOCH
@LIST
@JSON
def collect(manifest: Path, epoch: int | None, root: Path, as_json: bool) -> None:
    """Take over the signatures on another copy of an epoch's manifest.

    \b
    Example:
      tutela list collect ../boreal-clone/epochs/12/manifest.json 12
    """
    workspace = Workspace.open(root)
    number = int(workspace.epoch(epoch).path.name)
    try:
        other = envelope.decode(files.read(manifest, limit=limits.ENVELOPE_BYTES))
    except WireError as error:
        raise WorkspaceDamaged(f"{manifest}: {error.message}") from error
    taken = workspace.collect(number, other)
    signers = [one.id for one in workspace.signers(number)]
    answer(
        as_json,
        {"epoch": number, "taken": list(taken), "signers": signers},
        lambda: say(f"Epoch {number} now bears the signatures of {', '.join(signers) or 'nobody'}."),
    )


def _audited(workspace: Workspace, held: Held, number: int, workers: int, quiet: bool) -> Audit:
    folder = workspace.epoch(number)
    with progress("Verifying", quiet=quiet) as told:
        return auditing.audit(folder.envelope().unverified_payload, folder, held, workers=workers, progress=told)


def _tell_audit(found: Audit) -> None:
    for number, check in enumerate(CHECKS, start=1):
        say(f"[green]✓[/] {number:2}. {check}")
    known = f", {found.layers_known} known from the epoch that you signed" if found.layers_known else ""
    rebuilt = count(found.layers_rebuilt, "layer")
    say(f"{rebuilt} rebuilt from {count(found.entries_verified, 'evaluation')}{known}.")
    say(f"Epoch [bold]{found.manifest.epoch}[/] holds: {counts_of(found.manifest)}.")
    say(f"The rule: {rule_of(found.manifest)}.")
    say(f"The policy: {policy_of(found.manifest)}.")
    for change in found.changes:
        complain(f"[yellow]Change:[/] {escape(change)}")
    for late in found.left_out:
        complain(f"[yellow]Not in this epoch:[/] submissions of {escape(late)}")


def _audit_facts(found: Audit) -> dict[str, Any]:
    return facts_of(found.manifest) | {
        "holds": True,
        "digest": canonical.digest(found.payload),
        "changes": list(found.changes),
        "left_out": list(found.left_out),
        "layers_rebuilt": found.layers_rebuilt,
        "layers_known": found.layers_known,
        "entries_verified": found.entries_verified,
    }


def facts_of(manifest: Manifest) -> dict[str, Any]:
    """Return what a manifest says, in numbers."""
    return {
        "epoch": manifest.epoch,
        "created": manifest.created,
        "items": {str(one.list_class): one.items for one in manifest.lists},
        "layers": len(manifest.segments),
        "bytes": sum(entry.size for entry in manifest.segments),
        "keys": [{"id": key.id, "retires": key.retires} for key in manifest.keys],
    }


def counts_of(manifest: Manifest) -> str:
    """Return what a manifest says, in a few words."""
    items = ", ".join(f"{one.items:,} {one.list_class}" for one in manifest.lists)
    size = sum(entry.size for entry in manifest.segments)
    return f"{items} hashes in {count(len(manifest.segments), 'layer')} of {size:,} bytes"


def rule_of(manifest: Manifest) -> str:
    """Return a manifest's rule in words."""
    rule = manifest.agreement
    return (
        f"{rule.authorities} authorities of {rule.jurisdictions} jurisdictions, "
        f"within {rule.same_item_distance} bits, quality {rule.minimum_quality} at least"
    )


def policy_of(manifest: Manifest) -> str:
    """Return a manifest's policy in words."""
    policy = manifest.policy
    actions = (
        f"{name} {action.outgoing} when sent and {action.incoming} when received"
        for name, action in (("agreed", policy.agreed), ("attested", policy.attested), ("unchecked", policy.unchecked))
    )
    return "; ".join((", ".join(actions), *conversations_of(policy)))


COMMANDS: Final = (build, audit, approve, collect)
