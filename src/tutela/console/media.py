"""Reported files, for people who must look: blurred, grey and small; clear only while somebody wants it so.

A picture that is not blurred is sent for one look: the browser asks, the look is counted (`wellness`), and what it is
given is an address that is good for a moment, and in this session alone. Nothing but pictures is ever shown; what else
was reported can be saved, and says what it is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from tutela.console import desk
from tutela.console.pages import Pages
from tutela.console.visit import Visit
from tutela.provider.errors import EnoughForNow, UnknownMedium
from tutela.provider.review import files
from tutela.provider.review.people import Permission
from tutela.provider.review.previews import Previews
from tutela.provider.review.view import Medium
from tutela.provider.review.wellness import LONGEST
from tutela.signals.image.preview import Look

pages = Pages()

#: An address of a look is good for so long, in milliseconds.
_GRANT: Final = 30_000
#: A picture that no script hides again is shown for so many seconds, and fades.
FADES: Final = 10
_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_CHUNK: Final = 1 << 20
#: Of the whole process: what decoding takes is the machine's.
_previews: Final = Previews()
#: In case somebody opens it as a page of its own.
_BARE: Final = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store"}


@pages.get("/media/{report}/{sha256}", Permission.SEE_CASE)
def page(visit: Visit) -> Response:
    """Show what there is to say of a file, and the steps to see more of it."""
    return _page(visit)


@pages.get("/media/{report}/{sha256}/blurred", Permission.SEE_CASE)
def blurred(visit: Visit) -> Response:
    """Show light and dark, and no shapes."""
    return _picture(visit, Look.BLURRED)


@pages.post("/media/{report}/{sha256}/look", Permission.SEE_CASE, confirmed=False)
def look(visit: Visit) -> Response:
    """Count a look, and say where the picture is: for the script, which hides it again."""
    wanted = _wanted(visit)
    _medium(visit)
    shift = desk.exposures(visit).begin(visit.person)
    return JSONResponse({"picture": _address(visit, wanted), "seconds": LONGEST, "left": shift.until_break})


@pages.post("/media/{report}/{sha256}/show", Permission.SEE_CASE, confirmed=False)
def show(visit: Visit) -> Response:
    """Show a picture on a page of its own, for some seconds."""
    wanted = _wanted(visit)
    _medium(visit)
    try:
        desk.exposures(visit).begin(visit.person, seconds=FADES)
    except EnoughForNow as error:
        return _page(visit, status=403, enough=error)
    return _page(visit, picture=_address(visit, wanted))


@pages.get("/media/{report}/{sha256}/{look}", Permission.SEE_CASE)
def clear(visit: Visit) -> Response:
    """Hand out a picture for a look that was counted."""
    try:
        wanted = Look(visit.request.path_params["look"])
    except ValueError as error:
        raise HTTPException(404) from error
    until, _, mac = visit.request.query_params.get("grant", "").partition("-")
    good = (
        until.isascii() and until.isdigit() and hmac.compare_digest(mac.encode(), _mac(visit, wanted, until).encode())
    )
    if not good or int(until) < visit.console.provider.clock():
        raise HTTPException(403)
    return _picture(visit, wanted)


@pages.post("/media/seen", Permission.SEE_CASE, confirmed=False)
def seen(visit: Visit) -> Response:
    """Count how long the last look was."""
    desk.exposures(visit).end(visit.person, visit.form.number("milliseconds") / 1000)
    return Response(status_code=204)


@pages.post("/media/{report}/{sha256}/save", Permission.SEE_CASE, confirmed=False)
def save(visit: Visit) -> Response:
    """Hand out a file that is no picture: to be saved, never shown. It counts as a look."""
    medium = _medium(visit)
    if _kind(medium) in _PICTURES:
        raise HTTPException(404)
    desk.exposures(visit).begin(visit.person)
    name = f"{visit.request.path_params['sha256'][:16]}.reported"
    return visit.download(_parts(medium), "application/octet-stream", name)


def told(visit: Visit, report: str, sha256: str) -> dict[str, Any]:
    """Return what the bytes of a file show: its kind, whether it can be shown, and whether it says something else."""
    kind = _kind(desk.views(visit).medium(report, sha256))
    return {
        "kind": kind,
        "picture": kind in _PICTURES,
        "pretends": lambda media_type, filename: files.pretends(kind, media_type, filename),
    }


def _page(visit: Visit, *, status: int = 200, picture: str = "", enough: EnoughForNow | None = None) -> Response:
    medium = _medium(visit)
    report, sha256 = visit.request.path_params["report"], visit.request.path_params["sha256"]
    kind = _kind(medium)
    # Whoever gives a second look is not led to what was decided.
    blind = desk.samples(visit).of_case(visit.person, medium.case)
    return desk.show(
        visit,
        "medium.html",
        status=status,
        medium=medium,
        base=f"/media/{report}/{sha256}",
        sha256=sha256,
        found=kind,
        is_picture=kind in _PICTURES,
        picture=picture,
        enough=enough,
        shift=desk.exposures(visit).shift(visit.person),
        fades=FADES,
        back=f"/second-looks/{blind}" if blind else f"/cases/{medium.case}",
    )


def _medium(visit: Visit) -> Medium:
    """Return the file that the path names, if whoever asks may see its case."""
    medium = desk.views(visit).medium(visit.request.path_params["report"], visit.request.path_params["sha256"])
    desk.views(visit).check(visit.person, medium.case)
    return medium


def _kind(medium: Medium) -> str:
    try:
        with medium.path.open("rb") as file:
            return files.kind_of(file.read(files.HEAD))
    except OSError as error:
        raise UnknownMedium("the file is not there any more") from error


def _parts(medium: Medium) -> Iterator[bytes]:
    with medium.path.open("rb") as file:
        while part := file.read(_CHUNK):
            yield part


def _picture(visit: Visit, wanted: Look) -> Response:
    return Response(_previews.make(_medium(visit).path, wanted), media_type="image/png", headers=_BARE)


def _wanted(visit: Visit) -> Look:
    wanted = visit.form.text("look")
    if wanted not in (Look.GREY, Look.COLOUR):
        raise HTTPException(400)
    return Look(wanted)


def _address(visit: Visit, wanted: Look) -> str:
    until = str(visit.console.provider.clock() + _GRANT)
    params = visit.request.path_params
    return f"/media/{params['report']}/{params['sha256']}/{wanted}?grant={until}-{_mac(visit, wanted, until)}"


def _mac(visit: Visit, wanted: Look, until: str) -> str:
    params = visit.request.path_params
    said = "\x00".join(("tutela/console-look/1", params["report"], params["sha256"], wanted, until))
    return hmac.digest(visit.secret.encode(), said.encode(), hashlib.sha256).hex()
