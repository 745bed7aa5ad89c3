"""U+0000, which PostgreSQL keeps in no text: refused where it enters, alike on every database."""

from __future__ import annotations

import json

import pytest

from harness.provider import Stage
from harness.reports import message, report, unproven
from tutela.wire.report import padded

HEX = "ab" * 32


@pytest.mark.parametrize("field", ["about", "text"])
async def test_in_a_report(stage: Stage, field: str):
    session = await stage.sign_in()
    body = padded(report(**{field: "@le\x00o:family.example"}))
    answer = await stage.http.post("/v1/reports", content=body, headers=headers(session))
    assert (answer.status_code, answer.json().get("code")) == (400, "malformed")


@pytest.mark.parametrize("field", ["event_id", "room_id", "sender", "type"])
async def test_in_a_message(stage: Stage, field: str):
    session = await stage.sign_in()
    body = json.loads(padded(report(unproven(message()))))
    body["evidence"][0][field] += "\x00"
    answer = await stage.http.post("/v1/reports", content=json.dumps(body).encode(), headers=headers(session))
    assert (answer.status_code, answer.json().get("code")) == (400, "malformed")


async def test_in_an_addition(stage: Stage):
    session = await stage.sign_in()
    sent = report()
    await stage.http.post("/v1/reports", content=padded(sent), headers=headers(session))
    body = json.dumps({"id": HEX, "text": "and\x00more"}).encode()
    answer = await stage.http.post(f"/v1/reports/{sent.id}/additions", content=body, headers=headers(session))
    assert (answer.status_code, answer.json().get("code")) == (400, "malformed")


async def test_in_a_path(stage: Stage):
    session = await stage.sign_in()
    sent = report()
    await stage.http.post("/v1/reports", content=padded(sent), headers=headers(session))
    assert (await stage.http.get("/v1/reports/%00", headers=headers(session))).status_code == 404
    for path in (f"/v1/reports/{sent.id}/attachments/%00", f"/v1/reports/%00/attachments/{HEX}"):
        answer = await stage.http.put(
            path, content=b"x", headers=headers(session) | {"content-type": "application/octet-stream"}
        )
        assert answer.status_code == 404, answer.text
    body = json.dumps({"id": HEX, "text": "more"}).encode()
    answer = await stage.http.post("/v1/reports/%00/additions", content=body, headers=headers(session))
    assert answer.status_code == 404, answer.text


def headers(session: str) -> dict[str, str]:
    return {"authorization": f"Bearer {session}", "content-type": "application/json"}
