"""`tutela provider`: the provider's service, and what its operator does."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from tutela.cli import epochs
from tutela.cli.console import JSON, Group, answer, check_provider_name, complain, count, say, show
from tutela.cli.missing import missing
from tutela.cli.stamps import stamp_key
from tutela.cli.submissions import LIST, here
from tutela.errors import TutelaError
from tutela.integrations.matrix.enforcement import acting
from tutela.lists import files, keyfile
from tutela.lists.acceptance import accept
from tutela.lists.errors import (
    AlreadyThere,
    ListError,
    ManifestRefused,
    OtherProvider,
    Rollback,
    StorageFailed,
    TooFewJurisdictions,
    TooFewSignatures,
)
from tutela.lists.workspace import Workspace
from tutela.provider import settings as configuration
from tutela.provider.app import Beside
from tutela.provider.errors import KeyStoreError, NothingPublished, SettingsError
from tutela.provider.review import outbox
from tutela.provider.review.staff import StaffStore, somebody_reads
from tutela.provider.server import serve as run
from tutela.provider.service import Provider, trust_root
from tutela.provider.settings import Settings
from tutela.provider.status import Status
from tutela.wire import limits

CONFIG: Final = click.option(
    "--config",
    type=click.Path(readable=False, path_type=Path),  # `load` says more about what is wrong with it
    default=configuration.FILE,
    show_default=True,
    envvar="TUTELA_CONFIG",
    help="The settings; each can be overridden by TUTELA_PROVIDER_<NAME>.",
)


#: The service's own messages, on standard error.
_LINE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SIGN: Final = "Whose signatures count is in the trust root; they sign with `tutela list approve` (docs/lists.md)."
_NOBODY: Final = 'tutela staff invite "NAME" --role admin (they invite reviewers in the console)'
_NOBODY_READS: Final = 'tutela staff invite "NAME" --role reviewer'
#: What an operator can do about refusals that are worded for devices.
_ADVICE: Final[dict[type[ManifestRefused], str]] = {
    TooFewSignatures: _SIGN,
    TooFewJurisdictions: _SIGN,
    OtherProvider: "Is this the right list? Its provider's name and `name` in the settings must be the same.",
    Rollback: "Devices would refuse it. Name no epoch, and the newest one is published.",
}


@click.group(cls=Group)
def provider() -> None:
    """Run the provider's service: it hands out epochs and evaluates blinded checks.

    \b
    The way to a running service:
      tutela provider init /srv/tutela --name family.example \\
          --homeserver family.example=http://127.0.0.1:8008
      tutela list trust-root --out /srv/tutela/trust-root.json --list family.example
      tutela provider publish --list family.example --config /srv/tutela/provider.toml
      tutela provider serve --config /srv/tutela/provider.toml

    `docs/provider.md` is for whoever runs it.
    """


@provider.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--name", required=True, help="The provider's name, as its list spells it.")
@click.option(
    "--homeserver",
    "homeservers",
    multiple=True,
    required=True,
    metavar="NAME=URL",
    help="A homeserver whose users may sign in, and where it is reached. Repeat for more.",
)
@click.option("--database", metavar="URL", help="Where the database is; by default SQLite in the data folder.")
@JSON
def init(directory: Path, name: str, homeservers: tuple[str, ...], database: str | None, as_json: bool) -> None:
    """Make the data folder, the database and a settings file to start from.

    \b
    Examples:
      tutela provider init /srv/tutela --name family.example \\
          --homeserver family.example=http://127.0.0.1:8008
      tutela provider init /srv/tutela --name family.example --database postgresql:///tutela \\
          --homeserver family.example=http://127.0.0.1:8008
    """
    check_provider_name(name)
    servers = dict(_pair(text) for text in homeservers)
    values = {"name": name, "data": "data", "homeservers": servers, "trust_root": "trust-root.json"}
    values |= {"database": database} if database else {}
    settings = configuration.of_values(values, base=directory)
    path = directory / configuration.FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        settings.data.mkdir(exist_ok=True, mode=0o700)
        settings.keys.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise files.failed(directory, error) from error
    try:
        # The address of a database may hold a password.
        files.create(path, configuration.template(values).encode(), mode=0o600 if database else files.PUBLIC)
    except AlreadyThere as error:
        raise AlreadyThere(error.message, hint="Edit it, or choose another folder.") from error
    try:
        Provider.open(settings).close()
    except TutelaError:
        path.unlink()  # so that it can be tried again
        raise

    def text() -> None:
        say(f"The settings are in [bold]{escape(str(path))}[/]: read them through once.")
        say(f"Next: tutela list trust-root --out {escape(str(settings.trust_root))} --list LIST")
        say(f"      tutela provider publish --list LIST --config {escape(str(path))}")
        say(f'      tutela staff invite "NAME" --role admin --config {escape(str(path))}')
        say(f"      tutela provider serve --config {escape(str(path))}")

    answer(as_json, {"config": str(path), "data": str(settings.data), "trust_root": str(settings.trust_root)}, text)


@provider.command()
@CONFIG
@JSON
def serve(config: Path, as_json: bool) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are finished first.

    \b
    It listens on loopback unless the settings say otherwise: put a reverse proxy with TLS before it.
    The database's tables are brought up to date on start. Whoever wants the access log apart from the
    service's own messages finds it on standard output, these on standard error.

    \b
    Example:
      tutela provider serve --config /srv/tutela/provider.toml
    """
    logging.basicConfig(format=_LINE, datefmt="%Y-%m-%dT%H:%M:%S%z")
    settings = read_settings(config)
    for warning in _lacks(settings):
        complain(f"[yellow]Warning:[/] {escape(warning)}")

    with _console(settings) as (console, site):

        def started(address: str) -> None:
            if as_json:
                click.echo(json.dumps({"listening": address, "console": site}))
            else:
                complain(f"Listening at [bold]{address}[/]. Ctrl-C stops.")
                if site:
                    complain(f"The console is at [bold]{site}[/].")

        run(settings, started=started, beside=console + ([acting(settings)] if settings.enforcer_homeserver else []))
    if not as_json:
        complain("Stopped.")


@contextmanager
def _console(settings: Settings) -> Iterator[tuple[list[Beside], str | None]]:
    """Listen for the console, if there is to be one; yield what serves it, and where it is."""
    if not settings.console_port:
        yield [], None
        return
    try:
        from tutela.console.server import listening
    except ModuleNotFoundError as error:
        lacking = missing(error, "provider serve", "console")
        complain(f"[yellow]Warning:[/] there is no console: {escape(f'{lacking.message}. {lacking.hint}')}")
        yield [], None
        return
    with listening(settings) as listener:
        yield [listener], listener.site.origin


def _lacks(settings: Settings) -> Iterator[str]:
    """What devices will miss although the service runs."""
    if not _is_loopback(settings.host):
        yield (
            f"it listens at {settings.host}, without TLS: others on the way can read sessions and sign-in tokens. "
            "Set `host` to 127.0.0.1 and put a proxy with TLS before it (docs/provider.md)"
        )
    if not settings.homeservers:
        yield "no homeserver is named in the settings, so nobody can sign in"
    try:
        trust_root(settings)
    except SettingsError as error:
        yield f"{error.message}, so nothing can be published"
    with closing(Provider.open(settings)) as opened:
        with opened.database.reading() as connection:
            reads = somebody_reads(connection)
        if not reads:
            # The first one has to be an admin, who invites reviewers in the console.
            staff = StaffStore(opened.database, opened.clock, secrets.token_bytes).members()
            yield f"nobody can read reports, and whoever reports is told so: {_NOBODY_READS if staff else _NOBODY}"
        if not settings.enforcer_homeserver and (waiting := outbox.waiting(opened.database)):
            yield (
                f"{count(waiting, 'thing')} that reviewers have decided cannot be done: name `enforcer_homeserver` in "
                "the settings"
            )
        try:
            newest = opened.epochs.newest()
        except NothingPublished:
            yield "nothing is published yet, so devices cannot check"
            return
        for key in newest.manifest.keys:
            try:
                opened.keys.load(key.id)
            except KeyStoreError as error:
                yield f"{error.message}, so checks with the key {key.id} are refused"


@provider.command()
@click.argument("epoch", type=click.IntRange(1), required=False)
@LIST
@CONFIG
@JSON
def publish(epoch: int | None, root: Path, config: Path, as_json: bool) -> None:
    """Publish an epoch of a list, by default its newest one. The service need not stop.

    \b
    The epoch must bear the signatures that the trust root asks for; an older epoch than the published
    one is refused. Secret keys that the epoch names and that this provider does not hold yet are taken
    over from the list's folder. All becomes visible at one moment, or nothing. Publishing the same
    epoch again changes nothing, but adds signatures that are new and restores files that are damaged.

    \b
    Example:
      tutela provider publish --list family.example --config /srv/tutela/provider.toml
    """
    workspace = Workspace.open(root)
    folder = workspace.epoch(epoch)
    segments = _SegmentFolder(folder.path / "segments")
    with closing(Provider.open(read_settings(config))) as opened:
        try:
            done = opened.publish(folder.envelope(), segments, lambda key_id: keyfile.load(root / "keys", key_id))
        except ManifestRefused as error:
            number = int(folder.path.name)
            error.message = f"epoch {number} is not published: {error.message}"
            error.hint = _ADVICE.get(type(error), error.hint)
            if isinstance(error, TooFewSignatures | TooFewJurisdictions):
                error.hint = f"{error.hint} {_instead(workspace, opened, number)}"
            raise
    facts = {
        "epoch": done.epoch,
        "digest": done.digest,
        "segments": done.segments,
        "new_segments": done.new_segments,
        "already_published": done.already_published,
    }

    def text() -> None:
        state = "was published already" if done.already_published else "is published"
        say(f"Epoch [bold]{done.epoch}[/] {state}: {count(done.segments, 'segment')}, {done.new_segments} new.")

    answer(as_json, facts, text)


def _instead(workspace: Workspace, opened: Provider, refused: int) -> str:
    """Say which epoch before the refused one bears enough signatures."""
    root = trust_root(opened.settings)
    try:
        last = opened.epochs.newest().manifest
    except NothingPublished:
        last = None
    for number in reversed([one for one in workspace.epochs() if one < refused]):
        try:
            accept(workspace.epoch(number).envelope(), root, last=last)
        except ListError:
            continue
        if last is not None and number == last.epoch:
            return f"Meanwhile epoch {number} stays published."
        return f"Meanwhile epoch {number} bears enough: tutela provider publish {number}{here()}"
    return "No epoch before it can be published."


@provider.command()
@CONFIG
@JSON
def status(config: Path, as_json: bool) -> None:
    """Show what is published, which keys answer, what is stored, and which reports wait.

    \b
    Example:
      tutela provider status --config /srv/tutela/provider.toml
    """
    with closing(Provider.open(read_settings(config))) as opened:
        found = opened.status()

    def text() -> None:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row("Newest epoch", str(found.epoch.number) if found.epoch else "none: tutela provider publish")
        if found.epoch is not None:
            table.add_row("", f"made {found.epoch.created}")
            table.add_row("", f"published {found.epoch.published}")
            table.add_row("", f"{count(found.epoch.segments, 'segment')}, {found.epoch.bytes:,} bytes")
            table.add_row("Rate limit", f"{found.epoch.checks_per_hour} checks an hour for each account")
        table.add_row("Epochs kept", ", ".join(map(str, found.epochs)) or "none")
        for key in found.keys:
            table.add_row(f"Key {key.id}", key.state)
        table.add_row("Sessions", f"{found.sessions}, of {count(found.accounts, 'account')}")
        table.add_row("Database", escape(found.database))
        for heading, words in _waiting(found):
            table.add_row(heading, escape(words))
        show(table)

    answer(as_json, msgspec.to_builtins(found), text)


def _waiting(found: Status) -> Iterator[tuple[str, str]]:
    heading = "Reports"
    for one in found.waiting:
        many = f"{count(one.cases, 'case')} with {count(one.reports, 'report')}"
        yield heading, f"{one.urgency}: {many}, the oldest {_age(one.oldest_minutes)} old"
        heading = ""
    if not found.waiting:
        yield heading, "none waits"
    if found.nobody_reads:
        yield "", f"nobody can read them: {_NOBODY_READS}"


def _age(minutes: int) -> str:
    if minutes < 120:
        return count(minutes, "minute")
    return count(minutes // 60, "hour") if minutes < 48 * 60 else count(minutes // (24 * 60), "day")


@provider.command("rotate-key")
@click.option("--overlap-days", type=click.IntRange(1, 366), default=30, show_default=True, help="The old key's time.")
@click.option("--compromised", is_flag=True, help="The old key may have leaked: it retires at once.")
@LIST
@epochs.WORKERS
@JSON
@click.pass_context
def rotate_key(
    ctx: click.Context, overlap_days: int, compromised: bool, root: Path, workers: int, as_json: bool
) -> None:
    """Build the list's next epoch under a new OPRF key (the same as `tutela list build --rotate-key`).

    \b
    Once the authorities have signed that epoch, publish it: from then on the new key answers, and the
    old one too until its time is over. Devices download every segment once.

    \b
    Examples:
      tutela provider rotate-key --list family.example                  once a year
      tutela provider rotate-key --compromised --list family.example    after a leak
    """
    ctx.invoke(
        epochs.build,
        root=root,
        rotate_key=not compromised,
        overlap_days=overlap_days,
        compromised=compromised,
        again=False,
        workers=workers,
        as_json=as_json,
    )


@provider.command()
@click.option("--retired-keys", is_flag=True, help="Also destroy the secrets of keys whose time is over.")
@CONFIG
@JSON
def gc(retired_keys: bool, config: Path, as_json: bool) -> None:
    """Remove old epochs, segments that no kept epoch needs, and what is known of accounts and has run out.

    \b
    How many epochs are kept is the setting `kept_epochs`. The service need not stop.

    \b
    Examples:
      tutela provider gc --config /srv/tutela/provider.toml
      tutela provider gc --retired-keys
    """
    with closing(Provider.open(read_settings(config))) as opened:
        done = opened.collect(retired_keys=retired_keys)
        rows = opened.forget()
    facts = {"epochs": list(done.epochs), "files": list(done.files), "keys": list(done.keys), "account_rows": rows}
    counted = (count(len(done.epochs), "epoch"), count(len(done.files), "file"), count(len(done.keys), "key"))
    rest = count(rows, "row about accounts", "rows about accounts")
    answer(as_json, facts, lambda: say(f"Removed: {', '.join(counted)}, {rest}."))


provider.add_command(stamp_key)


class _SegmentFolder(Mapping[str, bytes]):
    """The segment files of an epoch, read one at a time when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, digest: str) -> bytes:
        try:
            return files.read(self._folder / f"{digest}.seg", limit=limits.SEGMENT_BYTES)
        except StorageFailed as error:
            raise KeyError(digest) from error

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in self._folder.glob("*.seg"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_settings(config: Path) -> Settings:
    """Read the settings, with what the environment overrides."""
    return configuration.load(config, os.environ)  # noqa: TID251 (the edge: commands read the environment here)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pair(text: str) -> tuple[str, str]:
    name, equals, address = text.partition("=")
    if not equals:
        raise SettingsError(f"{text!r} does not name a homeserver", hint="Write NAME=URL.")
    return name.strip(), address.strip()
