"""`tutela demo`: the whole story on this machine, told to a person or to a machine."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from tutela.cli.console import JSON, Command
from tutela.cli.missing import missing
from tutela.lists import files
from tutela.lists.errors import StorageFailed

if TYPE_CHECKING:
    from tutela.demo.playing import Opened
    from tutela.demo.stage import Stage
    from tutela.demo.story import Told


_FOLDER: Final = "tutela-demo-"
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What the extra `demo` brings, as modules: looked for before the first words, so that nothing is begun in vain.
NEEDED: Final = (
    "alembic", "fastapi", "httpx", "jinja2", "nio", "py3langid", "python_multipart", "sqlalchemy", "starlette",
    "synapse", "tzdata", "uvicorn", "vodozemac", "webauthn",
)  # fmt: skip


@click.command(cls=Command)
@click.option("--keep", is_flag=True, help="Leave everything running, and open the conversation to you. Ctrl-C ends.")
@JSON
def demo(keep: bool, as_json: bool) -> None:
    """Watch a real end-to-end encrypted conversation protect a child, while nobody reads it.

    Starts a Matrix homeserver (Synapse) and a Tutela provider on free ports of this machine, lets two organisations
    agree on a list of harmless stand-in pictures, and plays twelve steps with real encrypted clients. Takes about half
    a minute, needs no network, and cleans up after itself. Exits with 1 if any step did not hold.

    \b
    Examples:
      tutela demo
      tutela demo --keep     then open the links it prints, and play the child
      tutela demo --json     one line for each step, for machines
    """
    for module in NEEDED:
        if importlib.util.find_spec(module) is None:
            raise missing(ModuleNotFoundError(name=module), "demo", "demo")
    logging.basicConfig(level=logging.CRITICAL)
    show = _Lines() if as_json else _Pages(keep=keep)
    with _stoppable(), contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        start = perf_counter()
        show.opening()
        _load()
        if asyncio.run(_play(show, start, keep=keep)):
            return
        raise click.exceptions.Exit(1)
    show.stopped()
    raise click.exceptions.Exit(0 if keep else 130)


def _load() -> None:
    """Load what the demo needs, which takes seconds: after the first words, and where Ctrl-C is heeded at once."""
    for name in ("playing", "stage", "story"):
        importlib.import_module(f"tutela.demo.{name}")


async def _play(show: _Pages | _Lines, start: float, *, keep: bool) -> bool:
    from tutela.demo import playing
    from tutela.demo.stage import set_stage
    from tutela.demo.story import tell

    _stop_in_order()
    with _folder() as folder:
        async with set_stage(folder) as stage:
            show.set(stage, perf_counter() - start)
            held = True
            async for told in tell(stage):
                show.step(told)
                held &= told.held
            show.closing(held, perf_counter() - start)
            if held and keep:
                async with playing.opened(stage) as links:
                    show.links(links, await asyncio.to_thread(_lay_out_pictures, folder))
                    await asyncio.Event().wait()
            _heed_no_more()
    return held


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    try:
        with files.exclusively(folder):  # so that nobody sweeps it
            yield folder
    finally:
        _heed_no_more()
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove what demos left that were killed: folders of this user that no demo holds any more."""
    for lock in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*/.lock"):
        with contextlib.suppress(OSError, StorageFailed):
            if lock.parent.lstat().st_uid == os.geteuid():
                with files.exclusively(lock.parent):
                    shutil.rmtree(lock.parent, ignore_errors=True)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """End on SIGTERM and SIGHUP as on Ctrl-C: in order, and once, however often it is pressed."""

    def interrupt(*_: object) -> None:
        _heed_no_more()
        raise KeyboardInterrupt

    # SIGINT, too: started in the background by a script, it is ignored unless we say otherwise.
    before = {number: signal.signal(number, interrupt) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_in_order() -> None:
    """From now on let a signal cancel this task alone: what it started then ends in the reverse order."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def stop() -> None:
        _heed_no_more()
        task.cancel()

    for number in _STOPS:
        loop.add_signal_handler(number, stop)


def _heed_no_more() -> None:
    """Let what removes and ends things come to its end."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


def _lay_out_pictures(folder: Path) -> Path:
    """Put the stand-in pictures where a person can choose them."""
    from tutela.demo import pictures

    target = folder / "pictures"
    target.mkdir()
    for name in pictures.SCENES:
        (target / f"{name}.jpg").write_bytes(pictures.picture(name))
    (target / "fjord-smaller.jpg").write_bytes(pictures.halved(pictures.picture("fjord")))
    (target / "fjord-cropped.jpg").write_bytes(pictures.cropped(pictures.picture("fjord")))
    return target


class _Pages:
    """Tells the story to a person."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
        self._number = 0

    def opening(self) -> None:
        self._console.print()
        self._console.print("[bold]Tutela[/]  protects children in encrypted conversations, and reads none of them.")
        self._console.print("[dim]All pictures here are harmless landscapes drawn by the demo itself.[/]")
        self._console.print("[dim]Starting a Matrix homeserver and a Tutela provider on this machine …[/]")

    def set(self, stage: Stage, seconds: float) -> None:
        self._console.print(f"[dim]Ready after {seconds:.1f} s: {stage.homeserver.url} and {stage.provider_url}[/]\n")

    def step(self, told: Told) -> None:
        self._number += 1
        mark = "[bold green]✓[/]" if told.held else "[bold red]✗[/]"
        title = f"{mark} [bold]{self._number}. {escape(told.title)}[/]"
        self._console.print(f"{title}  [dim]{told.milliseconds / 1000:.1f} s[/]")
        for line in told.lines:
            self._console.print(Padding(escape(line), (0, 0, 0, 5), expand=False))
        self._console.print(Padding(f"[italic cyan]Why it matters: {escape(told.why)}[/]", (0, 0, 0, 5), expand=False))
        self._console.print()

    def closing(self, held: bool, seconds: float) -> None:
        if held:
            self._console.print(f"[bold green]All {self._number} steps held[/], in {seconds:.0f} s.")
        else:
            self._console.print("[bold red]A step did not hold.[/] `tutela doctor` tells what may be missing here.")
        if not self._keep:
            self._console.print("[dim]To play the child yourself: [/][bold]make run KEEP=1[/]\n")

    def links(self, opened: Opened, folder: Path) -> None:
        pages, print_ = opened.pages, self._console.print

        def rows(*lines: tuple[str, object]) -> None:
            for what, where in lines:
                print_(f"  {what + ':':<44} {where}", soft_wrap=True)

        print_("[bold]The conversation is open.[/] These links work on this machine only:")
        rows(
            ("both windows, and what the servers see", f"[bold]{pages.side_by_side}[/]"),
            ("Mia's window alone (the child)", pages.windows[0]),
            ("Leo's window alone", pages.windows[1]),
            ("Mia's conversation with Sam (hidden picture)", pages.windows[2]),
            ("pictures to send, some of them listed", folder),
        )
        print_("  (fjord*.jpg are listed, the others are not; one organisation alone vouches for island.jpg)")
        print_("[bold]Report something from Mia's window[/], then decide on it in the console, as two people:")
        first, second = opened.reviewers
        rows(
            ("the first reviewer (each link works once)", first),
            ("the second reviewer", second),
            ("an auditor (sees the audit log, and no case)", opened.auditor),
            ("an admin (invites people, and sees no case)", opened.admin),
        )
        print_("  (open each in another browser, or in a private window: a browser has one session)")
        print_("Ctrl-C ends it and removes everything.")

    def stopped(self) -> None:
        self._console.print("\n[dim]Stopped; everything was removed.[/]")


class _Lines:
    """Tells the story to a machine: a JSON object on each line."""

    def _line(self, kind: str, **facts: object) -> None:
        click.echo(json.dumps({"kind": kind, **facts}))

    def opening(self) -> None:
        """Say nothing yet."""

    def set(self, stage: Stage, seconds: float) -> None:
        self._line("ready", homeserver=stage.homeserver.url, provider=stage.provider_url, seconds=round(seconds, 3))

    def step(self, told: Told) -> None:
        self._line("step", **asdict(told))

    def closing(self, held: bool, seconds: float) -> None:
        self._line("end", held=held, seconds=round(seconds, 3))

    def links(self, opened: Opened, folder: Path) -> None:
        links, reviewers = opened.pages, opened.reviewers
        self._line(
            "links",
            side_by_side=links.side_by_side,
            windows=links.windows,
            reviewers=reviewers,
            auditor=opened.auditor,
            admin=opened.admin,
            pictures=str(folder),
        )

    def stopped(self) -> None:
        self._line("stopped")
