"""What `tutela doctor` sums up."""

from __future__ import annotations

import pytest

from tutela.cli.doctor import _LOOKS, _USES, Finding, _summary

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


def test_every_use_is_looked_for():
    looked_for = {look().needed_for for look in _LOOKS}
    assert {use for use in looked_for if use and not use.startswith("nothing but")} == set(_USES) - {"lists"}
