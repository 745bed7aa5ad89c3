"""Make this folder's pictures of the chat page anew: `PYTHONPATH=tests .venv/bin/python docs/images/make.py`.

They are screenshots of the scenes that the browser tests check, on harmless photographs (scikit-image's).
"""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from PIL import Image

from chat.gallery import serve_gallery
from harness.browser import open_browser

HERE = Path(__file__).parent

#: File, scene, width and height in CSS pixels, pixels for each, colour scheme, language.
PICTURES = (
    ("stop", "stop", 390, 800, 2, "light", "en"),
    ("side-by-side", "side-by-side", 1360, 820, 1.3, "light", "en"),
    ("warn", "received-warn", 390, 800, 2, "light", "en"),
    ("phone-dark-french", "chosen", 390, 800, 2, "dark", "fr"),
    ("report-reasons", "report-reasons", 390, 800, 2, "light", "en"),
    ("report-confirm", "report-confirm", 390, 800, 2, "light", "en"),
    ("report-sent", "report-sent", 390, 800, 2, "light", "en"),
)
LIMIT = 200_000


def compact(png: bytes) -> bytes:
    """The same picture in at most 256 colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, kmeans=2, dither=0)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


async def main() -> None:
    """Take all pictures; fail if one is too large for a README."""
    async with serve_gallery() as gallery, open_browser() as browser:
        for name, scene, width, height, scale, scheme, language in PICTURES:
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=scale,
                color_scheme="dark" if scheme == "dark" else "light",
                locale={"en": "en-GB", "fr": "fr-FR"}[language],
                reduced_motion="reduce",
            )
            page = await context.new_page()
            await page.goto(gallery.scenes[scene], wait_until="load")
            await page.evaluate("document.fonts.ready")
            await page.evaluate("document.activeElement.blur()")
            data = compact(await page.screenshot())
            if len(data) > LIMIT:
                raise SystemExit(f"{name}.png has {len(data):,} bytes, more than {LIMIT:,}")
            (HERE / f"{name}.png").write_bytes(data)
            await context.close()


if __name__ == "__main__":
    asyncio.run(main())
