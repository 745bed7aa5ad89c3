"""`tutela list`: the folder of a list; epochs, their audit and their signatures."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.markup import escape
from rich.table import Table

from tutela.cli import submissions
from tutela.cli.authority import PASSPHRASE, open_key
from tutela.cli.console import JSON, Group, answer, complain, now, progress, say, show
from tutela.cli.submissions import LIST
from tutela.lists import audit as auditing
from tutela.lists import canonical, defaults, files, times
from tutela.lists.audit import Audit
from tutela.lists.consistency import check_parameters, check_rule
from tutela.lists.epoch import Settings
from tutela.lists.errors import UnacceptedChanges, WorkspaceDamaged
from tutela.lists.workspace import Workspace
from tutela.wire import document, envelope, limits
from tutela.wire.errors import WireError
from tutela.wire.manifest import Agreement, Authority, Manifest, TrustRoot

WORKERS = click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to use.")
EPOCH = click.argument("epoch", type=click.IntRange(1), required=False)
CHECKS = (
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


@click.group(cls=Group)
def lists() -> None:
    """Vouch for hashes, build epochs, audit and sign them.

    \b
    A list is a plain folder that the provider and the authorities share, for instance in git.
      provider:   init, admit, build, trust-root
      authority:  import, withdraw, sign, submit, then audit and approve each epoch
      anybody:    status, vouches, audit

    `docs/lists.md` walks through all of it.
    """


for command in submissions.COMMANDS:
    lists.add_command(command)


@lists.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--provider", required=True, help="The provider's name: its domain, as devices know it.")
@click.option("--authorities", type=int, default=defaults.AGREEMENT.authorities, show_default=True)
@click.option("--jurisdictions", type=int, default=defaults.AGREEMENT.jurisdictions, show_default=True)
@click.option("--distance", type=int, default=defaults.AGREEMENT.same_item_distance, show_default=True)
@click.option("--minimum-quality", type=int, default=defaults.AGREEMENT.minimum_quality, show_default=True)
@JSON
def init(
    directory: Path,
    provider: str,
    authorities: int,
    jurisdictions: int,
    distance: int,
    minimum_quality: int,
    as_json: bool,
) -> None:
    """Make a new list.

    \b
    A hash is listed when hashes within --distance bits of it, itself included, are vouched for by
    --authorities authorities of --jurisdictions jurisdictions. All settings are in list.json, and
    every epoch publishes them.

    \b
    Example:
      tutela list init family.example --provider family.example
    """
    rule = Agreement(
        authorities=authorities,
        jurisdictions=jurisdictions,
        same_item_distance=distance,
        minimum_quality=minimum_quality,
    )
    settings = Settings(provider=provider, agreement=rule)
    try:
        document.decode(document.encode(settings), Settings, limit=limits.MANIFEST_BYTES)
    except WireError as error:
        raise click.UsageError(f"these settings are not possible: {error.message}") from error
    check_rule(rule)
    check_parameters(settings.parameters)
    Workspace.create(directory, settings)
    answer(
        as_json,
        {"list": str(directory), "provider": provider},
        lambda: say(f"A new list is in [bold]{escape(str(directory))}[/]. Its settings are in list.json."),
    )


@lists.command()
@click.argument("descriptor", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@LIST
@JSON
def admit(descriptor: Path, root: Path, as_json: bool) -> None:
    """Admit a list authority.

    \b
    Example:
      tutela list admit aurora.json --list family.example
    """
    data = files.read(descriptor, limit=limits.MANIFEST_BYTES)
    try:
        authority = document.decode(data, Authority, limit=limits.MANIFEST_BYTES, canonical=False)
    except WireError as error:
        raise WorkspaceDamaged(
            f"{descriptor} describes no authority: {error.message}", hint="make one with: tutela authority create"
        ) from error
    Workspace.open(root).admit(authority)
    answer(
        as_json,
        {"admitted": authority.id},
        lambda: say(f"[bold]{escape(authority.name)}[/] ({authority.jurisdiction}) is admitted as {authority.id}."),
    )


@lists.command()
@LIST
@click.option("--rotate-key", is_flag=True, help="Make a new OPRF key; devices download everything once.")
@click.option(
    "--overlap-days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long the old key answers."
)
@click.option("--compromised", is_flag=True, help="Make a new key; the old one retires at once.")
@click.option("--again", is_flag=True, help="Build the newest epoch anew, if nobody has signed it.")
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
    with progress("Evaluating", quiet=as_json) as told:
        made = Workspace.open(root).build(
            created=created,
            rotate_until=created if compromised else until,
            again=again,
            workers=workers,
            progress=told,
        )
    manifest = made.manifest
    facts = _manifest_facts(manifest) | {"download": sum(layer.entry.size for layer in made.built)}

    def text() -> None:
        say(f"Epoch [bold]{manifest.epoch}[/] is built: {_counts(manifest)}.")
        say(f"A device that holds the epoch before downloads {facts['download']:,} bytes.")
        say(f"Now the authorities audit and sign it: tutela list approve {manifest.epoch} --key KEY")

    answer(as_json, facts, text)


@lists.command()
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
    found = _audited(workspace, number, None, workers, as_json)
    answer(as_json, _audit_facts(found), lambda: _tell_audit(found))


@lists.command()
@EPOCH
@click.option("--key", "key_path", type=click.Path(path_type=Path), required=True, help="The authority's secret key.")
@click.option("--accept-changes", is_flag=True, help="Sign although the rule, policy, authorities or key change.")
@click.option("--full", is_flag=True, help="Also evaluate layers again that this key signed in the epoch before.")
@LIST
@PASSPHRASE
@WORKERS
@JSON
def approve(
    epoch: int | None,
    key_path: Path,
    accept_changes: bool,
    full: bool,
    root: Path,
    passphrase_file: Path | None,
    workers: int,
    as_json: bool,
) -> None:
    """Audit an epoch, and sign its manifest if everything holds.

    Nothing is signed that changes the rule, the policy, the authorities or the key, unless you say that you accept it.

    \b
    Examples:
      tutela list approve --key aurora.pem --list family.example
      tutela list approve 12 --key aurora.pem --accept-changes
    """
    workspace = Workspace.open(root)
    number = int(workspace.epoch(epoch).path.name)
    key = open_key(key_path, passphrase_file)
    found = _audited(workspace, number, None if full else key, workers, as_json)
    if found.changes and not accept_changes:
        raise UnacceptedChanges(
            "the epoch holds, but it changes what was published: " + "; ".join(found.changes),
            hint="if this is wanted, add --accept-changes",
        )
    workspace.approve(number, found.payload, key)
    signers = [one.id for one in workspace.signers(number)]

    def text() -> None:
        _tell_audit(found)
        say(f"Signed. Epoch {number} now bears the signatures of {', '.join(signers)}.")

    answer(as_json, _audit_facts(found) | {"signers": signers}, text)


@lists.command()
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


@lists.command("trust-root")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where it goes.")
@click.option("--signatures", type=click.IntRange(2, 64), default=2, show_default=True)
@click.option("--jurisdictions", type=click.IntRange(2, 64), default=2, show_default=True)
@click.option("--minimum-epoch", type=click.IntRange(0), help="The oldest epoch allowed. [the newest]")
@LIST
@JSON
def trust_root(
    out: Path, signatures: int, jurisdictions: int, minimum_epoch: int | None, root: Path, as_json: bool
) -> None:
    """Write what a client ships with: whose signatures make an epoch acceptable, and how many.

    \b
    Example:
      tutela list trust-root --out trust-root.json --list family.example
    """
    workspace = Workspace.open(root)
    epochs = workspace.epochs()
    oldest = minimum_epoch if minimum_epoch is not None else (epochs[-1] if epochs else 0)
    made: TrustRoot = workspace.trust_root(signatures=signatures, jurisdictions=jurisdictions, minimum_epoch=oldest)
    files.write(out, files.pretty(made))
    facts = {"trust_root": str(out), "authorities": [one.id for one in made.authorities], "minimum_epoch": oldest}
    answer(as_json, facts, lambda: say(f"The trust root is in [bold]{escape(str(out))}[/]."))


@lists.command()
@LIST
@JSON
def status(root: Path, as_json: bool) -> None:
    """Show where a list stands.

    \b
    Example:
      tutela list status --list family.example
    """
    workspace = Workspace.open(root)
    chains = workspace.chains()
    epochs = workspace.epochs()
    newest = workspace.epoch().manifest() if epochs else None
    heads = {head.authority: head.number for head in newest.submissions} if newest else {}
    authorities = [
        {
            "id": chain.authority.id,
            "name": chain.authority.name,
            "jurisdiction": chain.authority.jurisdiction,
            "submissions": chain.head.number if chain.head else 0,
            "waiting": (chain.head.number if chain.head else 0) - heads.get(chain.authority.id, 0),
            "vouches_for": {str(c): len(items) for c, items in chain.standing.items()},
        }
        for chain in chains
    ]
    facts: dict[str, Any] = {"provider": workspace.settings.provider, "authorities": authorities, "epoch": None}
    if newest is not None:
        facts["epoch"] = _manifest_facts(newest) | {"signers": [one.id for one in workspace.signers(newest.epoch)]}

    def text() -> None:
        say(f"The list of [bold]{escape(workspace.settings.provider)}[/]")
        table = Table("authority", "jurisdiction", "submissions", "not yet in an epoch", "agreed", "attested")
        for one in authorities:
            counts = one["vouches_for"]
            assert isinstance(counts, dict)
            row = [one[name] for name in ("id", "jurisdiction", "submissions", "waiting")]
            table.add_row(*map(str, [*row, counts["agreed"], counts["attested"]]))
        show(table)
        if newest is None:
            say("There is no epoch yet. Build one with: tutela list build")
            return
        say(f"Epoch [bold]{newest.epoch}[/] of {newest.created}: {_counts(newest)}.")
        say(f"Signed by {', '.join(facts['epoch']['signers']) or 'nobody yet'}.")

    answer(as_json, facts, text)


def _audited(workspace: Workspace, number: int, key: Ed25519PrivateKey | None, workers: int, quiet: bool) -> Audit:
    folder = workspace.epoch(number)
    with progress("Verifying", quiet=quiet) as told:
        return auditing.audit(
            folder.envelope().unverified_payload, folder, workspace.held(number, key), workers=workers, progress=told
        )


def _tell_audit(found: Audit) -> None:
    for number, check in enumerate(CHECKS, start=1):
        say(f"[green]✓[/] {number:2}. {check}")
    known = f", {found.layers_known} known from the epoch that you signed" if found.layers_known else ""
    say(f"{found.layers_rebuilt} layers rebuilt from {found.entries_verified:,} evaluations{known}.")
    say(f"Epoch [bold]{found.manifest.epoch}[/] holds: {_counts(found.manifest)}.")
    for change in found.changes:
        complain(f"[yellow]Change:[/] {escape(change)}")
    for late in found.left_out:
        complain(f"[yellow]Not in this epoch:[/] submissions of {escape(late)}")


def _audit_facts(found: Audit) -> dict[str, Any]:
    return _manifest_facts(found.manifest) | {
        "holds": True,
        "digest": canonical.digest(found.payload),
        "changes": list(found.changes),
        "left_out": list(found.left_out),
        "layers_rebuilt": found.layers_rebuilt,
        "layers_known": found.layers_known,
        "entries_verified": found.entries_verified,
    }


def _manifest_facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "epoch": manifest.epoch,
        "created": manifest.created,
        "items": {str(one.list_class): one.items for one in manifest.lists},
        "layers": len(manifest.segments),
        "bytes": sum(entry.size for entry in manifest.segments),
        "keys": [{"id": key.id, "retires": key.retires} for key in manifest.keys],
    }


def _counts(manifest: Manifest) -> str:
    items = ", ".join(f"{one.items:,} {one.list_class}" for one in manifest.lists)
    size = sum(entry.size for entry in manifest.segments)
    return f"{items} hashes in {len(manifest.segments)} layers of {size:,} bytes"
