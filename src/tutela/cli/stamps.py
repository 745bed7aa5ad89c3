"""`tutela provider stamp-key`: the key under which a homeserver stamps messages."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from tutela.cli.console import JSON, Command, answer, say
from tutela.integrations.matrix.synapse_module import make_key_file, read_key_file
from tutela.wire.franking import stamp_key_id


@click.command("stamp-key", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@JSON
def stamp_key(file: Path, as_json: bool) -> None:
    """Make a key under which your homeserver stamps messages, so that reports of them can be verified.

    \b
    FILE gets 32 random bytes in hexadecimal and can be read by its owner alone. What is there already
    is never overwritten. The homeserver and the provider each need a copy: docs/provider.md says where.

    \b
    Examples:
      tutela provider stamp-key /etc/matrix-synapse/tutela-stamp.key
      tutela provider stamp-key /srv/tutela/data/stamp-keys/family.example/2027.key
    """
    make_key_file(file)
    key_id = stamp_key_id(read_key_file(file))

    def text() -> None:
        say(f"The stamps' key [bold]{key_id}[/] is in [bold]{escape(str(file))}[/].")
        say(
            "Synapse (`key_file` of its module) and the provider (data/stamp-keys/SERVER/) each need a copy, mode 0600,"
        )
        say("that belongs to their own user. The provider reads it when it starts.")

    answer(as_json, {"key_file": str(file), "key_id": key_id}, text)
