"""What a user installs: the wheel holds what it needs, and a device needs no more than it says."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: What only a service, a chat page or the demo needs.
NOT_ON_A_DEVICE = (
    "sqlalchemy",
    "alembic",
    "fastapi",
    "starlette",
    "uvicorn",
    "jinja2",
    "nio",
    "numba",
    "synapse",
    "pydantic",
    "webauthn",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_all_that_is_not_code(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "tutela/py.typed",
        "tutela/locale/fr/LC_MESSAGES/tutela.mo",
        "tutela/chat/templates/base.html",
        "tutela/chat/static/chat.css",
        "tutela/static/nunito.woff2",
        "tutela/chat/help.toml",
        "tutela/console/templates/base.html",
        "tutela/console/static/console.css",
        "tutela/provider/review/policy.toml",
        "tutela/provider/migrations/env.py",
        "tutela/signals/conversation/stages.toml",
        "tutela/signals/conversation/model.json",
        "tutela/signals/conversation/languages/en.toml",
        "tutela/research/prior.toml",
        "tutela/research/synthesis/en.toml",
    ):
        assert needed in names, needed
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))]


def test_the_wheel_runs_without_the_source_tree(wheel: Path, tmp_path: Path):
    """From the wheel alone: the device's SDK and the command, with every server's package out of reach."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import sys\n"
        f"sys.path[:] = [p for p in sys.path if {str(ROOT)!r} not in p or 'site-packages' in p]\n"
        f"sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        f"for name in {NOT_ON_A_DEVICE!r}: sys.modules[name] = None\n"
        "import tutela, tutela.device, tutela.cli.device, tutela.cli.lists\n"
        "from tutela.language import words\n"
        f"assert tutela.__file__.startswith({str(tmp_path)!r}), tutela.__file__\n"
        "assert words('fr').text('This picture is hidden') == 'Cette photo est cachée'\n"
    )
    # -S -E would hide the dependencies too; the finder of the editable installation is dropped instead.
    drop = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
    done = subprocess.run(
        [sys.executable, "-c", drop + program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["provider", "--help"], "sqlalchemy", "provider"),
        (["staff", "--help"], "sqlalchemy", "provider"),
        (["audit", "--help"], "sqlalchemy", "provider"),
        (["device", "--help"], "httpx", "device"),
        (["demo"], "starlette", "demo"),
    ],
)
def test_a_missing_extra_is_told_with_the_line_that_installs_it(command: list[str], module: str, extra: str):
    program = f"import sys; sys.modules[{module!r}] = None; from tutela.cli.main import main; main({command!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f'pip install ".[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_this_machine_well():
    done = subprocess.run([sys.executable, "-P", "-m", "tutela", "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "✗" not in done.stdout
    assert "ristretto255 works" in done.stdout
