"""`tutela staff`: who may come into the console, from the operator's terminal. So the first admin comes to be."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import click
from rich.markup import escape
from rich.table import Table

from tutela.cli.console import JSON, Group, answer, say, show
from tutela.cli.provider import CONFIG, read_settings
from tutela.console.site import Site
from tutela.provider.clock import text_of
from tutela.provider.review.people import Person, Role
from tutela.provider.review.staff import INVITATION, Member, StaffStore
from tutela.provider.service import Provider
from tutela.provider.settings import Settings

_ID: Final = click.argument("staff", metavar="ID")
_HOURS: Final = INVITATION // 3_600_000


@click.group(cls=Group)
def staff() -> None:
    """Say who may come into the console: with a one-time link each, and a passkey from then on.

    \b
    The first admin is invited here; admins invite the others in the console, or you do:
      tutela staff invite "Anna Example" --role admin --config /srv/tutela/provider.toml

    `docs/console.md` says what each role may do.
    """


@staff.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What they are here for.")
@click.option("--organisation", help="Whom they work for; by default the provider's name.")
@CONFIG
@JSON
def invite(name: str, role: str, organisation: str | None, config: Path, as_json: bool) -> None:
    """Add somebody, and print the link with which they make their passkey. It is shown only now.

    \b
    Examples:
      tutela staff invite "Anna Example" --role admin
      tutela staff invite "Pat Partner" --role partner --organisation "Helpline Example"
    """
    with _opened(config) as (settings, store):
        site = Site.of(settings)
        person, secret = store.invite(name, Role(role), organisation or settings.name, by=None)
    _hand_over(site.invitation(secret), person, as_json=as_json)


@staff.command("invite-again")
@_ID
@CONFIG
@JSON
def invite_again(staff: str, config: Path, as_json: bool) -> None:
    """Print a new link for somebody who lost their passkey; what they had before ends at once.

    \b
    Example:
      tutela staff invite-again 0f3a56c2d1e4b788
    """
    with _opened(config) as (settings, store):
        site = Site.of(settings)
        secret = store.invite_again(staff, by=None)
        person = next(member.person for member in store.members() if member.person.id == staff)
    _hand_over(site.invitation(secret), person, as_json=as_json)


@staff.command()
@_ID
@CONFIG
@JSON
def dismiss(staff: str, config: Path, as_json: bool) -> None:
    """End somebody's access at once. What they decided stays in the record.

    \b
    Example:
      tutela staff dismiss 0f3a56c2d1e4b788
    """
    with _opened(config) as (_, store):
        store.dismiss(staff, by=None)
        name = store.names()[staff]
    answer(as_json, {"id": staff}, lambda: say(f"{escape(name)} cannot come in any more."))


@staff.command("list")
@CONFIG
@JSON
def members(config: Path, as_json: bool) -> None:
    """Show everybody, with their ids; those who left come last.

    \b
    Example:
      tutela staff list --config /srv/tutela/provider.toml
    """
    with _opened(config) as (_, store):
        found = store.members()

    def text() -> None:
        if not found:
            say('Nobody yet. Begin with: tutela staff invite "NAME" --role admin')
            return
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("Id", "Name", "Role", "Organisation", "Passkey", "Since", "Until"):
            table.add_column(heading, no_wrap=heading == "Id", overflow="fold")
        for member in found:
            person = member.person
            since, until = (text_of(moment)[:10] if moment else "" for moment in (member.created, member.dismissed))
            key = "made" if member.passkeys else "not yet"
            cells = (person.id, person.name, person.role, person.organisation, key, since, until)
            table.add_row(*map(escape, cells))
        show(table)

    answer(as_json, {"staff": [_facts(member) for member in found]}, text)


@contextmanager
def _opened(config: Path) -> Iterator[tuple[Settings, StaffStore]]:
    settings = read_settings(config)
    with closing(Provider.open(settings)) as provider:
        yield settings, StaffStore(provider.database, provider.clock, secrets.token_bytes)


def _hand_over(link: str, person: Person, *, as_json: bool) -> None:
    facts = {"id": person.id, "name": person.name, "role": person.role, "link": link, "hours": _HOURS}

    def text() -> None:
        say(f"The link for [bold]{escape(person.name)}[/] ({person.role}, id {person.id}); it works once, within")
        say(f"{_HOURS} hours. Hand it over in person, or over a channel that you trust:")
        click.echo(link)

    answer(as_json, facts, text)


def _facts(member: Member) -> dict[str, object]:
    person = member.person
    return {
        "id": person.id,
        "name": person.name,
        "role": person.role,
        "organisation": person.organisation,
        "passkeys": member.passkeys,
        "created": member.created,
        "dismissed": member.dismissed,
    }
