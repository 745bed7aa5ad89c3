"""Who may come in: for admins."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tutela.console.pages import Pages
from tutela.console.visit import Visit
from tutela.provider.review.people import Permission, Role

pages = Pages()


@pages.get("/staff", Permission.MANAGE_STAFF)
def members(visit: Visit) -> Response:
    """Show everybody, and a form to invite somebody."""
    return _shown(visit)


@pages.post("/staff/invite", Permission.MANAGE_STAFF, confirmed=True, keeps=("name", "organisation"))
def invite(visit: Visit) -> Response:
    """Add somebody, and show their link, once."""
    form = visit.form
    try:
        role = Role(form.text("role"))
    except ValueError as error:
        raise HTTPException(400) from error
    person, secret = visit.console.staff.invite(form.text("name"), role, form.text("organisation"), by=visit.person)
    return _shown(visit, invited=person.name, link=visit.console.site.invitation(secret))


@pages.post("/staff/invite-again", Permission.MANAGE_STAFF, confirmed=True)
def invite_again(visit: Visit) -> Response:
    """End what somebody has, and show a new link, once."""
    store, staff = visit.console.staff, visit.form.text("staff")
    secret = store.invite_again(staff, by=visit.person)
    return _shown(visit, invited=store.names()[staff], link=visit.console.site.invitation(secret))


@pages.post("/staff/dismiss", Permission.MANAGE_STAFF, confirmed=True)
def dismiss(visit: Visit) -> Response:
    """End somebody's access at once."""
    visit.console.staff.dismiss(visit.form.text("staff"), by=visit.person)
    return visit.go("/staff")


def _shown(visit: Visit, *, invited: str = "", link: str = "") -> Response:
    everybody = visit.console.staff.members()
    return visit.show(
        "staff.html",
        here_now=[member for member in everybody if member.dismissed is None],
        gone=[member for member in everybody if member.dismissed is not None],
        roles=list(Role),
        invited=invited,
        link=link,
    )
