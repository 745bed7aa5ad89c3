"""Rendering: what every template is given, in the reader's language. No state of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tutela.language import LANGUAGES, N_, Words, words
from tutela.provider.review.people import Permission, Person, Role

#: The pages that stand in the bar, for whoever may see them; the first one is where somebody begins.
NAVIGATION: Final = (
    (Permission.SEE_QUEUE, "/queue", N_("Queue")),
    (Permission.SETTLE, "/waiting", N_("For a second person")),
    (Permission.PROPOSE, "/second-looks", N_("Second looks")),
    (Permission.MANAGE_STAFF, "/staff", N_("Staff")),
    (Permission.READ_AUDIT, "/audit", N_("Audit log")),
    (Permission.SEE_AGREEMENT, "/agreement", N_("Agreement")),
)
ROLES: Final[Mapping[Role, str]] = {
    Role.REVIEWER: N_("Reviewer"),
    Role.PARTNER: N_("Partner"),
    Role.ADMIN: N_("Admin"),
    Role.AUDITOR: N_("Auditor"),
}
_MONTHS: Final = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)
_WHEN: Final = N_("{day} {month} {year}, {time} UTC")
_NARROW_SPACE: Final = "\u202f"


@functools.cache
def _templates() -> Environment:
    """Return the templates, with the drawings at hand in each; compiled once, however many consoles there are."""
    made = Environment(
        loader=PackageLoader("tutela.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    drawings = made.get_template("icons.html").module
    made.globals.update({name: getattr(drawings, name) for name in ("icon", "mark")})
    return made


class Looks:
    """Renders pages."""

    def __init__(self) -> None:
        self._templates = _templates()

    def render(
        self,
        template: str,
        tongue: Words,
        *,
        person: Person | None,
        token: str,
        here: str,
        elsewhere: str,
        **values: object,
    ) -> str:
        """Return a page as `person` sees it at the path `here`, and in another language `elsewhere`.

        `token` goes into each form that they can send.
        """
        common: dict[str, object] = {
            "t": tongue.text,
            "language": tongue.language,
            "when": lambda moment: when(moment, tongue),
            "number": lambda value: number(value, tongue),
            "role": lambda one: tongue.text(ROLES[one]),
            "person": person,
            "may": lambda permission: person is not None and person.may(Permission(permission)),
            "navigation": [
                (path, tongue.text(name)) for permission, path, name in NAVIGATION if person and person.may(permission)
            ],
            "token": token,
            "here": here,
            "elsewhere": elsewhere,
        }
        return self._templates.get_template(template).render(common | values)


def home_of(person: Person) -> str:
    """Return the path at which somebody begins."""
    return next(path for permission, path, _ in NAVIGATION if person.may(permission))


def when(moment: int, tongue: Words) -> Markup:
    """Return a time, in milliseconds, such as *24 November 2026, 12:10 UTC*, for people and machines."""
    told = datetime.fromtimestamp(moment / 1000, UTC)
    month = tongue.text(_MONTHS[told.month - 1])
    text = tongue.text(_WHEN, day=told.day, month=month, year=told.year, time=f"{told:%H:%M}")
    return Markup('<time datetime="{}">{}</time>').format(f"{told:%Y-%m-%dT%H:%M:%SZ}", text)


def number(value: int, tongue: Words) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}" if tongue.language == "en" else f"{value:,}".replace(",", _NARROW_SPACE)


def choose_language(asked: str | None, remembered: str | None, accepted: str) -> Words:
    """Return the words to speak.

    Args:
        asked: what the address says.
        remembered: what the cookie says.
        accepted: the `Accept-Language` header.
    """
    tags = (asked or "", remembered or "", *(tag.partition(";")[0].strip() for tag in accepted.split(",")))
    known: Callable[[str], bool] = lambda tag: tag.lower().partition("-")[0] in LANGUAGES  # noqa: E731
    return words(next((tag for tag in tags if known(tag)), "en"))
