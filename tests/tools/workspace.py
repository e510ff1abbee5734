# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the tests, the checks and the demo run things: copies of the collection, and an environment of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"

# Settings of the user's that would change what Ansible, Honeycomb's clients, the telemetry SDK or pytest do
FOREIGN = ("ANSIBLE_", "HONEYCOMB_", "MOLECULE_", "OTEL_", "PYTEST_", "PYTHONPATH")


def clean_environment(home: str | os.PathLike[str], **settings: str) -> dict[str, str]:
    """Return a copy of os.environ without the user's Ansible and Honeycomb settings, with ``home`` as home directory.

    What this Python's environment installs is found first, our own Ansible configuration is used, and the simulator
    is reached without a proxy. ``settings`` are added.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env.update(
        ANSIBLE_CONFIG=str(ROOT / "tests" / "tools" / "ansible.cfg"),
        ANSIBLE_HOME=str(Path(home, ".ansible")),
        HOME=str(home),
        PATH=os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)]),
    )
    # Ansible refuses to start in a locale that is not UTF-8.
    if "utf" not in (env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "").lower():
        env["LC_ALL"] = "C.UTF-8"
    for name in ("no_proxy", "NO_PROXY"):
        env[name] = ",".join(filter(None, [env.get(name), "127.0.0.1", "localhost"]))
    env.update(settings)
    return env


def stage(collections: Path) -> Path:
    """Copy the files that git knows or would add to the place of the collection below ``collections``; return it."""
    place = collections / "ansible_collections" / "community" / "honeycomb"
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    for name in filter(None, listing.split("\0")):
        if os.path.lexists(ROOT / name):  # deleted, and the deletion not committed yet
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name, follow_symlinks=False)
    return place


def build(source: Path, destination: Path) -> Path:
    """Build the collection at ``source`` as a user gets it from Galaxy; return the tarball below ``destination``."""
    subprocess.run(
        [sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", destination, source],
        check=True,
        env=clean_environment(destination),
        stdout=subprocess.DEVNULL,
    )
    (tarball,) = destination.glob("*.tar.gz")
    return tarball


def install(tarball: Path, collections: Path) -> None:
    """Install a tarball of the collection below ``collections``, without asking any server."""
    command = ["collection", "install", "--offline", "--no-deps", "--force", "-p", str(collections), str(tarball)]
    subprocess.run(
        [sys.executable, "-m", "ansible", "galaxy", *command],
        check=True,
        env=clean_environment(tarball.parent, ANSIBLE_COLLECTIONS_PATH=str(collections)),
        stdout=subprocess.DEVNULL,
    )
