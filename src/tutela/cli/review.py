"""`tutela review`: how well reviewers' decisions agree, from the operator's terminal."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from tutela.cli.console import JSON, Group, answer, count, say, show
from tutela.cli.provider import CONFIG, read_settings
from tutela.provider.review.agreement import Agreement
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.sampling import Choice, Samples
from tutela.provider.service import Provider


@click.group(cls=Group)
def review() -> None:
    """Keep a golden set of decided cases, and see how well decisions agree.

    \b
    Example:
      tutela review agreement --config /srv/tutela/provider.toml

    `docs/review.md` says what is measured, and how.
    """


@review.command()
@click.argument("case", type=click.IntRange(1))
@click.option("--rule", required=True, help="The rule of the published policy that is right.")
@click.option(
    "--action",
    "actions",
    type=click.Choice([action.value for action in ActionKind]),
    multiple=True,
    required=True,
    help="What is right to do. Repeat for more.",
)
@CONFIG
@JSON
def golden(case: int, rule: str, actions: tuple[str, ...], config: Path, as_json: bool) -> None:
    """Put a decided case into the golden set, with the right answer; again replaces it.

    \b
    Everybody who took no part in the case is given it once, among other second looks.

    \b
    Example:
      tutela review golden 17 --rule threats-and-extortion --action suspend --action disclose
    """
    with _opened(config) as samples:
        item = samples.mark_golden(case, Choice(rule, tuple(map(ActionKind, actions))))
    facts = {"case": item.case, "expected": item.expected.encode()}
    answer(as_json, facts, lambda: say(f"Case {item.case} is in the golden set: {escape(item.expected.encode())}."))


@review.command()
@CONFIG
@JSON
def agreement(config: Path, as_json: bool) -> None:
    """Show how well decisions agree: equal ones, and Cohen's kappa, each with its 95 % interval.

    \b
    Example:
      tutela review agreement --config /srv/tutela/provider.toml
    """
    with _opened(config) as samples:
        found = samples.agreements()

    def text() -> None:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("", "Cases", "Decided the same", "Cohen's kappa"):
            table.add_column(heading)
        table.add_row("First decision and second look", *_cells(found.second))
        table.add_row("Golden set", *_cells(found.golden))
        for rule, one in found.rules.items():
            table.add_row(escape(rule), *_cells(one))
        show(table)
        if found.waiting:
            say(f"{count(found.waiting, 'second look')} given out and not answered yet.")

    answer(as_json, msgspec.to_builtins(found), text)


@contextmanager
def _opened(config: Path) -> Iterator[Samples]:
    with closing(Provider.open(read_settings(config))) as provider:
        yield Samples(provider.database, provider.clock, secrets.token_bytes, provider.reports.policy)


def _cells(found: Agreement) -> tuple[str, str, str]:
    share, kappa = found.share, found.kappa
    return (
        f"{found.n:,}",
        f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})" if share else "-",
        f"{kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})" if kappa else "-",
    )
