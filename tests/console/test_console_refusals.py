"""From an error to a page: each in the reader's words, and with what they wrote."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException

from harness.console import ConsoleStage
from tutela.console.refusals import told
from tutela.language import words
from tutela.provider import errors
from tutela.provider.errors import ProviderError, ReviewError
from tutela.provider.review.people import Role

INVITE = {"name": "Leo Lion", "organisation": "Family & Friends", "role": "reviewer"}
STATUS = {
    errors.UnknownCase: 404,
    errors.UnknownDecision: 404,
    errors.UnknownPerson: 404,
    errors.StaleCase: 409,
    errors.DecisionSettled: 409,
    errors.LastAdmin: 409,
    errors.SamePerson: 403,
    errors.NotAllowed: 403,
    errors.PasskeyRefused: 403,
    errors.EnoughForNow: 403,
    errors.WrongDecision: 422,
    errors.NamesSomebody: 422,
    errors.WrongNote: 422,
    errors.PictureUnreadable: 422,
    errors.UnknownMedium: 404,
    errors.UnknownSample: 404,
    errors.InvitationSpent: 410,
    errors.NotSignedIn: 401,
    errors.StorageUnavailable: 503,
    errors.DamagedAudit: 500,
}


def test_every_way_in_which_a_reviewer_is_refused_has_its_page():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ReviewError)}
    assert kinds - {ReviewError} <= set(STATUS)
    broken = told(RuntimeError())
    for kind, status in STATUS.items():
        assert told(kind("x"))[0] == status
        assert told(kind("x"))[1:] != broken[1:]


@pytest.mark.parametrize(("status", "shown"), [(400, 400), (404, 404), (405, 405), (413, 413), (415, 415), (500, 500)])
def test_what_is_no_error_of_ours(status: int, shown: int):
    assert told(HTTPException(status))[0] == shown


@pytest.mark.parametrize("kind", STATUS)
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_it_is_told_in_words_and_nothing_is_lost(
    console: ConsoleStage, kind: type[ProviderError], language: str, monkeypatch: pytest.MonkeyPatch
):
    anna = await console.member("Anna", Role.ADMIN)

    def refuse(*_: object, **__: object) -> None:
        raise kind("words from inside", retry_after=7)

    monkeypatch.setattr(type(console.staff), "invite", refuse)
    anna.http.headers["accept-language"] = language
    answer = await anna.send("/staff/invite", INVITE, confirm=True)
    status, title, text = told(kind("x"))
    if kind is errors.PasskeyRefused:
        status, title, text = told(kind("x", retry_after=7))
    assert answer.status_code == status
    assert answer.headers["retry-after"] == "7"
    shown = answer.text.replace("&#39;", "'")
    assert words(language).text(title) in shown
    assert words(language).text(text) in shown
    assert "Leo Lion" in shown
    assert "Family &amp; Friends" in shown
    assert ("words from inside" in shown) == (kind is errors.WrongDecision)  # which says what to change
