"""One headless Chromium for the whole session, driven by Playwright.

The system's Chromium when there is one, else the one in npm's `@sparticuz/chromium`: a test is never skipped for
lack of a browser. Runs as root and without root, and calls nobody outside this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from harness.node import node_environment, node_path, npm_ci

FOLDER = Path(__file__).parents[1] / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-sync",
    "--font-render-hinting=none",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
)
_UNPACK = "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath());"


def chromium_path() -> Path:
    """Return the system's Chromium, or unpack npm's beside its package (once for each state of the lock)."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    home = npm_ci(FOLDER) / ".chromium"
    home.mkdir(exist_ok=True)
    # The package unpacks into the temporary folder and trusts a `chromium` that it finds there: give it its own.
    # The variable makes it unpack the shared libraries that a bare machine lacks.
    environment = {**node_environment(), "TMPDIR": str(home), "AWS_LAMBDA_JS_RUNTIME": "nodejs24.x"}
    command = [node_path(), "--input-type=module", "-e", _UNPACK]
    done = subprocess.run(command, check=False, cwd=FOLDER, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"could not unpack Chromium:\n{done.stderr}")
    return Path(done.stdout.strip())


def _missing_libraries(executable: Path) -> bool:
    done = subprocess.run(["ldd", executable], check=False, capture_output=True, text=True)
    return "not found" in done.stdout


def _environment(executable: Path) -> dict[str, str]:
    libraries = executable.parent / "al2023" / "lib"
    if libraries.exists() and _missing_libraries(executable):
        return {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    return dict(os.environ)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start Chromium, and stop it at the end."""
    executable = chromium_path()
    async with async_playwright() as playwright:
        # Chromium refuses to start as root with its sandbox; it only ever opens our own pages here.
        browser = await playwright.chromium.launch(
            executable_path=executable, args=FLAGS, chromium_sandbox=False, env=_environment(executable)
        )
        try:
            yield browser
        finally:
            await browser.close()


async def accessibility_violations(page: Page) -> list[dict[str, Any]]:
    """Run axe-core's WCAG 2.2 A and AA rules and its best practices over `page`; return what they find."""
    script = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm_ci(FOLDER)
    # Evaluated through the debugger, not as a script element: the page's own policy stays as it is.
    await page.evaluate(script.read_text())
    found = await page.evaluate(
        """async () => (await axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
        })).violations.map((v) => ({
            id: v.id, impact: v.impact, help: v.help,
            nodes: v.nodes.map((n) => n.html + " :: " + n.failureSummary),
        }))"""
    )
    return list(found)
