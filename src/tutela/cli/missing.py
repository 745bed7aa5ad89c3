"""A part that was not installed is told with the one line that installs it."""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError
from tutela.extras import install


class MissingPart(TutelaError):
    """A command needs a package that was not installed."""

    code: ClassVar[str] = "missing-part"


def missing(error: ModuleNotFoundError, command: str, extra: str) -> MissingPart:
    """Return what to tell the user when a package of the extra `extra` is not there.

    Raises:
        ModuleNotFoundError: a module of our own is missing, which is nothing that the user can mend.
    """
    name = error.name or "tutela"
    if name.partition(".")[0] == "tutela":
        raise error
    return MissingPart(f"tutela {command} needs {name}, which is not installed", hint=install(extra))
