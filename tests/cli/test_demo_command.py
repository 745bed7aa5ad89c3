"""`tutela demo` before it begins."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from tutela.cli import demo
from tutela.cli.demo import NEEDED
from tutela.extras import install
from tutela.lists import files


def distributions(extra: str) -> set[str]:
    """What an extra of ours brings, without what everything needs."""
    found = set()
    for line in importlib.metadata.requires("tutela") or []:
        name, extras, condition = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?[^;]*;? ?(.*)", line).groups()
        if condition != f"extra == '{extra}'" and condition != f'extra == "{extra}"':
            continue
        if name == "tutela":
            found |= {deeper for one in extras.split(",") for deeper in distributions(one)}
        else:
            found.add(name)
    return found


def test_what_a_killed_demo_left_is_removed_and_what_a_running_one_holds_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young, held = (tmp_path / f"tutela-demo-{name}" for name in ("left", "young", "held"))
    for folder in (left, young, held):
        (folder / "homeserver").mkdir(parents=True)
    (left / ".lock").touch()
    (held / ".lock").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".lock").touch()
    (tmp_path / "tutela-demo-link").symlink_to(elsewhere)
    with demo._stoppable(), files.exclusively(held), demo._folder() as mine:
        demo._sweep()
        assert mine.is_dir()
        assert held.is_dir()
        assert young.is_dir()
        assert elsewhere.is_dir()
        assert not left.exists()
    assert not mine.exists()


def test_it_looks_for_everything_that_its_extra_brings():
    homes = importlib.metadata.packages_distributions()
    assert {home.lower() for module in NEEDED for home in homes[module]} == distributions("demo")


@pytest.mark.parametrize("module", NEEDED)
def test_it_says_what_is_missing_before_it_says_anything_else(module: str):
    program = f"import sys; sys.modules[{module!r}] = None; from tutela.cli.main import main; main(['demo'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    needs = f"tutela demo needs {module}, which is not installed"
    assert done.stderr == f"Error: {needs}\nHint:  {install('demo')}\n"


def test_it_says_so_to_machines_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    done = CliRunner().invoke(demo.demo, ["--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["code"] == "missing-part"
    assert done.stderr == ""
