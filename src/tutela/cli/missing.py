"""A part that was not installed is told with the one line that installs it."""

from __future__ import annotations

import click


def missing(error: ModuleNotFoundError, command: str, extra: str) -> click.ClickException:
    """Return what to tell the user when a package of the extra `extra` is not there.

    Raises:
        ModuleNotFoundError: a module of our own is missing, which is nothing that the user can mend.
    """
    name = error.name or "tutela"
    if name.partition(".")[0] == "tutela":
        raise error
    return click.ClickException(
        f'tutela {command} needs {name}, which is not installed.\nRun: pip install "tutela[{extra}]"'
    )
