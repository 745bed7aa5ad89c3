"""`tutela list`: the folder of a list; epochs, their audit and their signatures."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.markup import escape
from rich.table import Table

from tutela.cli import epochs, hashing, submissions
from tutela.cli.authority import read_descriptor
from tutela.cli.console import JSON, Group, answer, check_provider_name, complain, now, say, show
from tutela.cli.epochs import counts_of, facts_of
from tutela.cli.submissions import LIST, here
from tutela.lists import defaults, files, times
from tutela.lists.acceptance import trusted_keys
from tutela.lists.consistency import check_parameters, check_rule
from tutela.lists.countries import check_country
from tutela.lists.epoch import Settings
from tutela.lists.workspace import Workspace
from tutela.wire.manifest import Agreement, Manifest

KEY_LIFE: Final = timedelta(days=365)


@click.group(cls=Group)
def lists() -> None:
    """Vouch for hashes, build epochs, audit and sign them.

    \b
    A list is a plain folder that the provider and the authorities share, for instance in git.
      provider:   init, admit, build, trust-root
      authority:  hash, import, withdraw, sign, submit, then audit and approve each epoch
      anybody:    status, vouches, audit

    `docs/lists.md` walks through all of it.
    """


for command in (*hashing.COMMANDS, *submissions.COMMANDS, *epochs.COMMANDS):
    lists.add_command(command)


@lists.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--provider", required=True, help="The provider's name: its domain, as devices know it.")
@click.option("--authorities", type=click.IntRange(1, 64), default=defaults.AGREEMENT.authorities, show_default=True)
@click.option(
    "--jurisdictions", type=click.IntRange(1, 64), default=defaults.AGREEMENT.jurisdictions, show_default=True
)
@click.option(
    "--distance", type=click.IntRange(0, 31), default=defaults.AGREEMENT.same_item_distance, show_default=True
)
@click.option(
    "--minimum-quality", type=click.IntRange(0, 100), default=defaults.AGREEMENT.minimum_quality, show_default=True
)
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
    check_provider_name(provider)
    settings = Settings(provider=provider, agreement=rule)
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
    authority = read_descriptor(descriptor)
    check_country(authority.jurisdiction)
    Workspace.open(root).admit(authority)
    answer(
        as_json,
        {"admitted": authority.id},
        lambda: say(f"[bold]{escape(authority.name)}[/] ({authority.jurisdiction}) is admitted as {authority.id}."),
    )


@lists.command("trust-root")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where it goes.")
@click.option("--signatures", type=click.IntRange(2, 64), default=2, show_default=True)
@click.option("--jurisdictions", type=click.IntRange(2, 64), default=2, show_default=True)
@click.option("--minimum-epoch", type=click.IntRange(0), help="The oldest epoch allowed. [the newest signed]")
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
    signed = (one for one in reversed(workspace.epochs()) if _bears(workspace, one, signatures, jurisdictions))
    oldest = minimum_epoch if minimum_epoch is not None else next(signed, 0)
    made = workspace.trust_root(signatures=signatures, jurisdictions=jurisdictions, minimum_epoch=oldest)
    trusted_keys(made)
    files.write(out, files.pretty(made))
    facts = {"trust_root": str(out), "authorities": [one.id for one in made.authorities], "minimum_epoch": oldest}

    def text() -> None:
        say(f"The trust root is in [bold]{escape(str(out))}[/].")
        say(
            f"It asks for {signatures} of these, from {jurisdictions} jurisdictions: "
            f"{', '.join(f'{one.id} ({one.jurisdiction})' for one in made.authorities)}."
        )
        if oldest:
            say(f"No epoch before number {oldest} is accepted.")
        else:
            say("No epoch bears enough signatures yet, so it accepts any from the first on.")

    answer(as_json, facts, text)


def _bears(workspace: Workspace, epoch: int, signatures: int, jurisdictions: int) -> bool:
    """Tell whether a trust root that asks for so many would accept an epoch."""
    signers = workspace.signers(epoch)
    return len(signers) >= signatures and len({one.jurisdiction for one in signers}) >= jurisdictions


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
    newest = workspace.epoch().manifest() if workspace.epochs() else None
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
        since, rotate = _key_age(workspace, newest)
        facts["epoch"] = facts_of(newest) | {
            "signers": [one.id for one in workspace.signers(newest.epoch)],
            "key_since": since,
            "key_is_due": rotate,
        }

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
            say(f"There is no epoch yet. Build one with: tutela list build{escape(here())}")
            return
        say(f"Epoch [bold]{newest.epoch}[/] of {newest.created}: {counts_of(newest)}.")
        say(f"Signed by {', '.join(facts['epoch']['signers']) or 'nobody yet'}.")
        say(f"The key {newest.keys[0].id} is in use since {since}.")
        if rotate:
            command = f"tutela list build --rotate-key{escape(here())}"
            complain(f"[yellow]The key is older than a year.[/] Rotate it with: {command}")

    answer(as_json, facts, text)


def _key_age(workspace: Workspace, newest: Manifest) -> tuple[str, bool]:
    """Return since when the current key is in use, and whether that is more than a year."""
    since = newest.created
    for number in reversed(workspace.epochs()):
        manifest = workspace.epoch(number).manifest()
        if manifest.keys[0].id != newest.keys[0].id:
            break
        since = manifest.created
    return since, times.later(since, KEY_LIFE) < now()
