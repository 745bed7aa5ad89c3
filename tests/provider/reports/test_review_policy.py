"""The published policy: what ships works, and what cannot work is refused with its reason."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from tutela.provider.errors import SettingsError
from tutela.provider.review import policy

SHIPPED = (resources.files("tutela.provider.review") / "policy.toml").read_text(encoding="utf-8")


def test_what_ships() -> None:
    shipped = policy.load()

    assert shipped.wellness.seconds_until_break < shipped.wellness.seconds
    assert 0 < shipped.sampling.share < 1


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("views = 100", "views = 0", "views"),
        ("seconds = 1200", "seconds = 200", "seconds_until_break"),
        ("break_minutes = 15", "", "break_minutes"),
        ("share = 0.05", "share = 1.5", "share"),
        ("share = 0.05", "share = 0.05\nevery = 3", "every"),
    ],
)
def test_what_cannot_work(tmp_path: Path, line: str, instead: str, said: str) -> None:
    assert line in SHIPPED
    file = tmp_path / "policy.toml"
    file.write_text(SHIPPED.replace(line, instead), encoding="utf-8")

    with pytest.raises(SettingsError, match=said):
        policy.load(file)
