"""The command `tutela`. Sub-commands load only when they are called, so that `tutela --help` is quick and a missing
extra is told with the one line that installs it."""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
from dataclasses import dataclass
from typing import Any, Final

import click

from tutela import __version__
from tutela.cli.missing import missing


@dataclass(frozen=True)
class _Sub:
    """Where a sub-command lives, what it is for, and which extra it needs."""

    module: str
    attribute: str
    help: str
    extra: str | None = None


SUB_COMMANDS: Final = {
    "demo": _Sub("tutela.cli.demo", "demo", "Watch a guarded conversation, end to end.", "demo"),
    "doctor": _Sub("tutela.cli.doctor", "doctor", "Tell what is missing on this machine."),
    "authority": _Sub("tutela.cli.authority", "authority", "Make and show a list authority's key."),
    "list": _Sub("tutela.cli.lists", "lists", "Vouch for hashes, build epochs, audit and sign them."),
    "provider": _Sub("tutela.cli.provider", "provider", "Run the provider's service.", "provider"),
    "staff": _Sub("tutela.cli.staff", "staff", "Say who may come into the console.", "provider"),
    "review": _Sub("tutela.cli.review", "review", "See how well reviewers' decisions agree.", "provider"),
    "audit": _Sub("tutela.cli.audit", "audit", "Verify the audit log, and sign it.", "provider"),
    "conversation": _Sub(
        "tutela.cli.conversation", "conversation", "Try, measure and train the conversation guard.", "research"
    ),
    "device": _Sub("tutela.cli.device", "device", "Check a picture by hand; guard a client in any language.", "device"),
    "chat": _Sub("tutela.cli.chat", "chat", "Open a guarded conversation in the browser.", "chat"),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; what a terminal cannot show becomes a question mark, never an error."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
                stream.reconfigure(errors="replace")
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, sub in SUB_COMMANDS.items() if importlib.util.find_spec(sub.module) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        sub = SUB_COMMANDS[cmd_name]
        try:
            command = getattr(importlib.import_module(sub.module), sub.attribute)
        except ModuleNotFoundError as error:
            if sub.extra is None:
                raise
            lacking = missing(error, cmd_name, sub.extra)
            raise click.ClickException(f"{lacking.message}.\n{lacking.hint}") from error
        except OSError as error:  # libsodium is unpacked into the temporary folder
            raise click.ClickException(
                f"tutela {cmd_name} cannot be loaded: {error.strerror}.\n"
                "Is there room in the temporary folder? TMPDIR names another one."
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The texts above, so that nothing is imported for --help.
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUB_COMMANDS[name].help) for name in self.list_commands(ctx)])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tutela")
def main() -> None:
    """Tutela: child protection by design for end-to-end encrypted services.

    `tutela COMMAND --help` shows each command with examples. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
    """
    # No process started from here imports from the current folder: it may be a list's, which others fill.
    os.environ["PYTHONSAFEPATH"] = "1"  # noqa: TID251 (the edge)
