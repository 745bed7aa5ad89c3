"""How commands speak: one clear sentence with a hint for an error, JSON for machines, progress on a terminal."""

from __future__ import annotations

import contextlib
import errno
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tutela.errors import TutelaError
from tutela.lists import files, times

JSON: Final = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, also about errors.")


class Command(click.Command):
    """A command that tells what Tutela raises in one sentence, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TutelaError as error:
            tell_error(error, as_json=bool(ctx.params.get("as_json")))
            raise click.exceptions.Exit(1) from error
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:
                raise  # nobody reads on, which click knows to end quietly; or no file that a person could mend
            tell_error(files.failed(Path(error.filename), error), as_json=bool(ctx.params.get("as_json")))
            raise click.exceptions.Exit(1) from error


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what each command does in one whole sentence; click would cut it off at the line's end."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=1000)) for name, one in commands if one])


def check_provider_name(name: str) -> None:
    """Go on only with what can be a provider's name; many give its address instead."""
    if not 1 <= len(name) <= 255:
        raise click.UsageError("a provider's name has 1 to 255 characters")
    domain = urlsplit(name).hostname or name.partition("/")[0]
    if "/" in name or len(name.split()) != 1:
        raise click.UsageError(
            f"{name[:80]!r} will not do: a provider's name is a domain alone, as devices know it, such as "
            + (domain[:80] if len(domain.split()) == 1 else "family.example")
        )


def tell_error(error: TutelaError, *, as_json: bool, **more: object) -> None:
    """Say what went wrong and what to do about it; `more` is for machines."""
    if as_json:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        click.echo(json.dumps({"error": told | more}))
        return
    complain(f"[bold red]Error:[/] {escape(error.message)}")
    if error.hint:
        complain(f"[dim]Hint:[/]  {escape(error.hint)}")


def complain(text: str) -> None:
    """Write a line for people to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text)


def say(text: str) -> None:
    """Write a line for people to standard output."""
    Console(highlight=False, soft_wrap=True).print(text)


def count(number: int, one: str, more: str | None = None) -> str:
    """Return a number with what it counts: `1 layer`, `2,000 layers`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def show(table: Table) -> None:
    """Write a table to standard output; without the blanks that pad it where nobody sees them.

    Where there is no room for it beside each other, each row becomes a few lines.
    """
    console = Console(highlight=False)
    if table.show_header and console.measure(table, options=console.options.update(max_width=1000)).maximum > (
        console.width
    ):
        headings = [str(column.header) for column in table.columns]
        for row in zip(*(column.cells for column in table.columns), strict=True):
            for heading, cell in zip(headings, row, strict=True):
                say(f"{heading}: {cell}")
            say("")
        return
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def show_panel(panel: Panel) -> None:
    """Write a framed text to standard output."""
    Console(highlight=False).print(panel)


def answer(as_json: bool, facts: dict[str, Any], text: Callable[[], None]) -> None:
    """Answer with `facts` in JSON, or by `text` for people."""
    if as_json:
        click.echo(json.dumps(facts))
    else:
        text()


@contextlib.contextmanager
def progress(label: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on standard error while something long runs; give nothing to call where no terminal watches."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def passphrase_of(file: Path | None, *, encrypted: bool, confirm: bool = False) -> bytes | None:
    """Return a passphrase from a file's first line, or ask for it where a person can answer."""
    if file is not None:
        try:
            return file.read_bytes().split(b"\n")[0].rstrip(b"\r")
        except OSError as error:
            raise click.UsageError(f"cannot read the passphrase file {file}: {error.strerror}") from error
    if encrypted and sys.stdin.isatty():
        given: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
        return given.encode()
    return None


def now() -> str:
    """Return the time, as documents write it."""
    return times.text_of(datetime.now(UTC))  # noqa: TID251 (the edge: commands read the clock here)
