"""Whoever is reported must not learn from us who reported them, nor one reporter of another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sqlalchemy import Connection, select

from tutela.provider.errors import NamesSomebody, WrongDecision
from tutela.provider.reports.tables import Report


def check_silence(
    connection: Connection, case: int, texts: Iterable[str], *, sure: bool, whole_only: bool = False
) -> None:
    """Check that no text names an account that reported in a case.

    A whole id is always refused. A word that is also a name (`rose`, `you`) is refused unless somebody has looked and
    is `sure`, or with `whole_only`.

    Raises:
        NamesSomebody: a text holds a word that is a reporter's name.
        WrongDecision: a text holds a reporter's whole id.
    """
    written = _plain("\n".join(texts))
    for account in connection.scalars(select(Report.account).where(Report.case == case).distinct()):
        if _plain(account) in written:
            raise WrongDecision("the text names somebody who reported", hint="Others read it: leave the name out.")
        local = account.removeprefix("@").partition(":")[0]
        if not (sure or whole_only) and _holds(written, local):
            raise NamesSomebody(
                f"the text holds the word {local!r:.80}, which is the name of somebody who reported",
                hint="Leave it out, or say that you have looked and it means something else.",
            )


def _holds(written: str, local: str) -> bool:
    # `mia_smith` may be written Mia Smith, or MiaSmith.
    parts = [re.escape(part) for part in re.split(r"[\W_]+", _plain(local)) if part]
    name = r"[\W_]*".join(parts)
    return bool(parts) and re.search(rf"(?<![^\W_]){name}(?![^\W_])", written) is not None


def _plain(text: str) -> str:
    """Return text without what only looks different: letters of other widths, invisible characters, case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if unicodedata.category(character) != "Cf")
