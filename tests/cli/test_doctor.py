"""What `tutela doctor` sums up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tutela.cli.doctor import _LOOKS, _USES, Finding, _loopback, _summary

USES = ("a device", "a Matrix client", "the provider", "the chat page", "the demo")


def findings(*, lacking: str | None) -> list[Finding]:
    needed = [Finding(f"for {use}", use != lacking, "", use) for use in USES]
    return [Finding("Python", lacking != "", ""), *needed, Finding("Chromium", False, "", "nothing but comfort")]


@pytest.mark.parametrize(
    ("lacking", "summary"),
    [
        (
            None,
            "Works here: lists, a device, a Matrix client, the provider, the console, the chat page, the demo; "
            "missing: nothing.",
        ),
        (
            "the demo",
            "Works here: lists, a device, a Matrix client, the provider, the console, the chat page; "
            "missing: the demo.",
        ),
        (
            "the provider",
            "Works here: lists, a device, a Matrix client, the chat page; "
            "missing: the provider, the console, the demo.",
        ),
        (
            "a device",
            "Works here: lists, the provider, the console; "
            "missing: a device, a Matrix client, the chat page, the demo.",
        ),
        ("", "Nothing works here yet; missing: Python."),
    ],
)
def test_the_last_line(lacking: str | None, summary: str):
    assert _summary(findings(lacking=lacking)) == summary


def test_loopback_is_really_tried(monkeypatch: pytest.MonkeyPatch):
    assert _loopback().there

    def refused(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", refused)
    found = _loopback()
    assert (found.there, found.detail, found.needed_for) == (False, "127.0.0.1: timed out", "the demo")
    assert "reach each other" in found.remedy


@pytest.mark.parametrize("words", [["doctor"], ["list", "import", "--help"], ["--help"]])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_shows_ascii_only_is_no_traceback(words: list[str], encoding: str):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tutela", *words], env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    if words == ["doctor"]:
        assert b"+ Python: 3." in done.stdout


def test_every_use_is_looked_for():
    looked_for = {look().needed_for for look in _LOOKS}
    assert {use for use in looked_for if use and not use.startswith("nothing but")} == set(_USES) - {"lists"}
