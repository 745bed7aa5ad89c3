"""Forms are bounded, and pictures stay in memory."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator

import pytest

from chat.conftest import Running
from chat.pair import photograph
from tutela.chat.forms import PICTURE_BYTES

JPEG = b"\xff\xd8\xff"


def of_size(size: int) -> bytes:
    return JPEG + bytes(size - len(JPEG))


async def test_the_largest_picture_is_taken_and_never_touches_the_disk(
    running: Running, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("a picture went to the disk")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(running.pair.mia, "choose_picture", lambda data: None)
    answer = await running.mia.post("choose", files={"picture": ("a.jpg", of_size(PICTURE_BYTES))})
    assert answer.status_code == 200
    assert running.pair.mias.chosen
    assert len(running.pair.mias.chosen.data) == PICTURE_BYTES


async def test_a_larger_one_is_refused_by_what_it_announces(running: Running):
    answer = await running.mia.post("choose", files={"picture": ("a.jpg", of_size(PICTURE_BYTES + (17 << 10)))})
    assert answer.status_code == 413
    assert "too large" in answer.text
    assert running.pair.mias.chosen is None


async def test_and_by_what_arrives_when_it_announces_nothing(running: Running):
    async def endless() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n' + JPEG
        for _ in range(2 * PICTURE_BYTES // (1 << 20)):
            yield bytes(1 << 20)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await running.mia.post("choose", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert running.pair.mias.chosen is None


async def test_a_form_without_a_picture_is_small(running: Running):
    assert (await running.mia.post("text", data={"text": "a" * (65 << 10)})).status_code == 413
    assert (await running.mia.post("text", data={"text": "a"}, files={"x": b"a file"})).status_code == 400
    assert (await running.mia.post("text", files={"x": b"a" * (65 << 10)})).status_code == 413


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("application/json", b'{"text": "hi"}', 415),
        ("text/plain", b"text=hi", 415),
        ("", b"text=hi", 415),
        ("multipart/form-data", b"text=hi", 400),
        ("multipart/form-data; boundary=b", b"--b\r\nno header", 400),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", 400),
    ],
)
async def test_anything_but_a_form_is_refused(running: Running, kind: str, content: bytes, status: int):
    answer = await running.mia.post("text", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert running.pair.mias.events == ()


async def test_many_fields_are_refused(running: Running):
    many = {f"f{index}": (None, "x") for index in range(9)}
    assert (await running.mia.post("text", files=many)).status_code == 400


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\pictures\\a.jpg", "", "x" * 500, "a\u202egnp.exe"])
async def test_a_file_name_is_only_a_name(running: Running, name: str):
    await running.mia.post("choose", files={"picture": (name or "blob", photograph())})
    chosen = running.pair.mias.chosen
    assert chosen
    assert not set(chosen.filename) & set("/\\")
    assert 0 < len(chosen.filename) <= 120


@pytest.mark.parametrize("data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"BM....", b"%PDF-1.7"])
async def test_what_is_no_picture_cannot_be_chosen(running: Running, data: bytes):
    answer = await running.mia.post("choose", files={"picture": ("a.jpg", data)})
    assert running.pair.mias.chosen is None
    assert "is not a picture" in answer.text
    assert running.pair.mia.log == []
