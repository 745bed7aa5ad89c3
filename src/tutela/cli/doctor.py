"""`tutela doctor`: what is there and what is missing on this machine, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

import click
from rich.markup import escape

from tutela.cli.console import JSON, Command, say
from tutela.extras import install

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FREE_BYTES: Final = 1 << 30
_LOOPBACK_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `needed_for` is empty when everything needs it."""

    what: str
    there: bool
    detail: str
    needed_for: str = ""
    remedy: str = ""


@click.command(cls=Command)
@JSON
def doctor(as_json: bool) -> None:
    """Tell what is missing on this machine. Exits with 1 if something that everything needs is missing.

    \b
    Examples:
      tutela doctor
      tutela doctor --json
    """
    findings = [look() for look in _LOOKS]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            _print(finding)
        say("\n" + escape(_summary(findings)))
    if not all(finding.there or finding.needed_for for finding in findings):
        raise click.exceptions.Exit(1)


def _print(finding: Finding) -> None:
    good, less, bad = "✓–✗" if "utf" in (sys.stdout.encoding or "").lower() else "+-x"
    mark = f"[green]{good}[/]" if finding.there else f"[yellow]{less}[/]" if finding.needed_for else f"[red]{bad}[/]"
    say(f"{mark} {escape(finding.what)}: {escape(finding.detail)}")
    if not finding.there:
        use = f"needed for {finding.needed_for}. " if finding.needed_for else ""
        say(f"    [dim]{escape(use + finding.remedy)}[/]")


#: What one can do with Tutela, and what that needs beyond what everything needs.
_USES: Final = {
    "lists": (),
    "a device": ("a device",),
    "a Matrix client": ("a device", "a Matrix client"),
    "the provider": ("the provider",),
    "the console": ("the provider", "the console"),
    "the chat page": ("a device", "a Matrix client", "the chat page"),
    "the demo": ("a device", "a Matrix client", "the provider", "the console", "the chat page", "the demo"),
}


def _summary(findings: list[Finding]) -> str:
    """Say in one line what works here and what does not."""
    missing = [finding for finding in findings if not finding.there]
    for_all = [finding.what for finding in missing if not finding.needed_for]
    if for_all:
        return f"Nothing works here yet; missing: {', '.join(for_all)}."
    lacking = {finding.needed_for for finding in missing}
    works = [use for use, needs in _USES.items() if lacking.isdisjoint(needs)]
    fails = [use for use in _USES if use not in works]
    return f"Works here: {', '.join(works)}; missing: {', '.join(fails) or 'nothing'}."


def _python() -> Finding:
    version = platform.python_version()
    good = sys.version_info >= (3, 11)
    return Finding("Python", good, version, remedy="Install Python 3.11 or newer.")


def _extra(name: str, module: str, use: str) -> Callable[[], Finding]:
    def look() -> Finding:
        there = importlib.util.find_spec(module) is not None
        version = importlib.metadata.version(_DISTRIBUTIONS[module]) if there else "not installed"
        return Finding(_DISTRIBUTIONS[module], there, version, use, install(name))

    return look


def _cryptography() -> Finding:
    try:
        from tutela.matching import voprf

        voprf.hash_to_group(b"doctor")
    except Exception as error:  # whatever keeps libsodium from loading, the user is told
        return Finding("libsodium", False, f"{type(error).__name__}: {error}", remedy="Reinstall the package rbcl.")
    return Finding("libsodium", True, "ristretto255 works")


def _temporary() -> Finding:
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile():
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "temporary folder", False, f"{folder}: {error.strerror}", remedy="Set TMPDIR to one you may use."
        )
    enough = free > _FREE_BYTES
    return Finding("temporary folder", enough, f"{folder}, {free / 1e9:.1f} GB free", "the demo", "Make some room.")


def _loopback() -> Finding:
    """Say something to ourselves: where listening is allowed, connecting may not be."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(_LOOPBACK_SECONDS)
            address = listener.getsockname()
            with socket.create_connection(address, timeout=_LOOPBACK_SECONDS) as caller, listener.accept()[0] as called:
                called.settimeout(_LOOPBACK_SECONDS)
                caller.sendall(b"?")
                heard = called.recv(1)
        if heard != b"?":
            raise OSError(None, "what was said did not arrive")
    except OSError as error:
        remedy = "Let programs here listen at 127.0.0.1 and reach each other there (a firewall, or a sandbox?)."
        return Finding("loopback", False, f"127.0.0.1: {error.strerror or error}", "the demo", remedy)
    return Finding("loopback", True, f"a server at 127.0.0.1:{address[1]} was reached")


def _browser() -> Finding:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    remedy = "Any browser shows the chat page; the tests bring their own Chromium from npm."
    return Finding("Chromium", found is not None, found or "none on the path", "nothing but comfort", remedy)


def _user() -> Finding:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return Finding("user", True, "root (not needed)" if root else "an ordinary user")


_DISTRIBUTIONS: Final = {
    "httpx": "httpx",
    "py3langid": "py3langid",
    "scipy": "scipy",
    "nio": "matrix-nio",
    "vodozemac": "vodozemac",
    "fastapi": "fastapi",
    "sqlalchemy": "sqlalchemy",
    "psycopg": "psycopg",
    "starlette": "starlette",
    "webauthn": "webauthn",
    "synapse": "matrix-synapse",
}
_LOOKS: Final[tuple[Callable[[], Finding], ...]] = (
    _python,
    _cryptography,
    _user,
    _temporary,
    _loopback,
    _extra("device", "httpx", "a device"),
    _extra("device", "py3langid", "a device"),
    _extra("research", "scipy", "nothing but training and measuring the conversation guard"),
    _extra("matrix", "nio", "a Matrix client"),
    _extra("matrix", "vodozemac", "a Matrix client"),
    _extra("provider", "fastapi", "the provider"),
    _extra("provider", "sqlalchemy", "the provider"),
    _extra("postgres", "psycopg", "nothing but PostgreSQL as the provider's database"),
    _extra("console", "webauthn", "the console"),
    _extra("chat", "starlette", "the chat page"),
    _extra("demo", "synapse", "the demo"),
    _browser,
)
