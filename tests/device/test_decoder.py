from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tutela.device.decoder import Decoder, Unreadable
from tutela.device.errors import DecoderFailed
from tutela.signals.image import SHIPPED, Limits, luminance, views
from tutela.signals.image.child import Answer, answer, serve

ASTRONAUT = data.astronaut()


def jpeg(pixels: np.ndarray = ASTRONAUT) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


async def test_the_child_computes_what_this_process_would():
    decoder = Decoder()
    try:
        for picture in (jpeg(), jpeg(data.coffee())):
            margins = await decoder.margins(picture)
            here = [view.pdq.margins for view in views(luminance(picture, Limits()))]
            assert len(margins) == len(here)
            for a, b in zip(margins, here, strict=True):
                np.testing.assert_array_equal(a, b)
    finally:
        await decoder.close()


@pytest.mark.parametrize(
    "picture", [b"", b"x", b"GIF89a", jpeg()[:5000], b"\xff\xd8\xff\xe0" + bytes(1000), b"%PDF-1.7"]
)
async def test_what_cannot_be_decoded_is_unreadable_and_the_child_goes_on(picture: bytes):
    decoder = Decoder()
    try:
        with pytest.raises(Unreadable):
            await decoder.margins(picture)
        assert len(await decoder.margins(jpeg())) >= 1
    finally:
        await decoder.close()


async def test_the_child_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in ("msgspec", "numpy", "tutela"):
        (tmp_path / f"{module}.py").write_text("open('imported', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    decoder = Decoder()
    assert len(await decoder.margins(jpeg())) >= 1
    await decoder.close()
    assert not (tmp_path / "imported").exists()


async def test_too_many_bytes_never_reach_the_child():
    decoder = Decoder(limits=Limits(bytes=100))
    with pytest.raises(Unreadable) as refused:
        await decoder.margins(jpeg())
    assert refused.value.code_of_picture == "oversized-picture"
    assert decoder._child is None


async def test_a_slow_child_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch):
    decoder = Decoder(seconds=0.5)
    stuck = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(60)",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    decoder._child = stuck
    with pytest.raises(DecoderFailed, match=r"0\.5 seconds"):
        await decoder.margins(jpeg())
    assert await stuck.wait() == -9
    decoder._seconds = 30
    assert len(await decoder.margins(jpeg())) >= 1
    await decoder.close()


async def test_a_child_that_dies_is_replaced():
    decoder = Decoder()
    await decoder.margins(jpeg())
    assert decoder._child is not None
    decoder._child.kill()
    await decoder._child.wait()
    assert len(await decoder.margins(jpeg())) >= 1
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; sys.stdin.buffer.read(4)",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await decoder.close()
    decoder._child = dying
    with pytest.raises(DecoderFailed, match="died"):
        await decoder.margins(jpeg())
    assert len(await decoder.margins(jpeg())) >= 1
    await decoder.close()


async def test_a_cancelled_question_does_not_spoil_the_next():
    decoder = Decoder()
    first = asyncio.create_task(decoder.margins(jpeg(data.coffee())))
    await asyncio.sleep(0.05)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    margins = await decoder.margins(jpeg())
    np.testing.assert_array_equal(margins[0], views(luminance(jpeg(), Limits()))[0].pdq.margins)
    await decoder.close()


async def test_many_at_once_each_get_their_own_answer():
    decoder = Decoder()
    pictures = [jpeg(p) for p in (data.astronaut(), data.coffee(), data.chelsea())]
    answers = await asyncio.gather(*(decoder.margins(p) for p in pictures * 2))
    for picture, margins in zip(pictures * 2, answers, strict=True):
        np.testing.assert_array_equal(margins[0], views(luminance(picture, Limits()))[0].pdq.margins)
    await decoder.close()


def test_the_child_ends_when_the_parent_goes_away():
    written = io.BytesIO()
    serve(io.BytesIO(b"\0\0\0\x05abc"), written, Limits())
    assert written.getvalue() == b""


def test_running_out_of_memory_is_an_answer(monkeypatch: pytest.MonkeyPatch):
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tutela.signals.image.child.luminance", exhausted)
    assert answer(jpeg(), Limits()).error == "oversized-picture"


async def test_a_stand_in_takes_as_long_as_a_picture_decoded_lately(monkeypatch: pytest.MonkeyPatch):
    decoder = Decoder()
    takes, waits, asked = [0.5], [], []

    async def child(picture: bytes) -> tuple[Answer, float]:
        asked.append(picture)
        return Answer(views=[[0.0] * 256]), takes[-1]

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(decoder, "_ask", child)
    monkeypatch.setattr("tutela.device.decoder.asyncio.sleep", wait)
    await decoder.stand_in()
    assert waits.pop() in [0.5, 1.0, 1.5, 2.0]  # before the first picture: as an ordinary photograph
    for seconds in (2.0, 3.0):
        takes.append(seconds)
        await decoder.margins(jpeg())
    asked.clear()
    for _ in range(100):
        await decoder.stand_in()
    assert set(waits) == {2.0, 3.0}
    assert asked == []  # what would be decoded now could take longer than that


async def test_a_stand_in_is_a_picture_and_no_measure_for_another():
    decoder = Decoder()
    margins = await decoder.stand_in()
    assert [view.shape for view in margins] == [(256,)] * len(SHIPPED)
    assert list(decoder._lately) == []
    await decoder.margins(jpeg())
    assert 0 < decoder._lately[0] < decoder._seconds
    await decoder.close()


async def test_the_time_that_counts_is_measured_outside_the_child_and_without_its_start(
    monkeypatch: pytest.MonkeyPatch,
):
    """What somebody outside sees: not what the child says of itself, and the way through the pipe too."""
    now = [0.0]
    asked = []

    async def exchanged(_: object, picture: bytes) -> Answer:
        asked.append(picture)
        now[0] += len(picture)  # a second for each byte
        return Answer(views=[[0.0] * 256])

    monkeypatch.setattr("tutela.device.decoder._exchanged", exchanged)
    monkeypatch.setattr("tutela.device.decoder.time.perf_counter", lambda: now[0])
    decoder = Decoder()
    for picture in (b"12", b"123"):
        await decoder.margins(picture)
    assert asked[1:] == [b"12", b"123"]
    assert list(decoder._lately) == [2, 3]
    await decoder.close()


async def test_stand_ins_are_random():
    first, second = Decoder(), Decoder()
    one, other = [(await decoder.stand_in())[0] for decoder in (first, second)]
    assert not np.array_equal(one > 0, other > 0)
    for decoder in (first, second):
        await decoder.close()
