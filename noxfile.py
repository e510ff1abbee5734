# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nox sessions, for those who know them from other collections, and for more versions than the one in .venv.

``make`` keeps the environment .venv, and tests/tools/checks.py knows how each check is run; both are used here, so that
nothing is written twice. What antsibull-nox.toml configures runs as in other collections, in environments of its own.

::

    pip install nox antsibull-nox
    nox --list
    nox -s lint unit
    nox -s "matrix(python='3.12', core='2.18')" -- unit sanity integration
"""

from __future__ import annotations

import antsibull_nox
import nox

nox.options.envdir = ".cache/nox"
TARGETS = ["lint", "unit", "playbooks", "sanity", "integration"]
# The others want an environment of their own for what these do already.
nox.options.sessions = TARGETS

# Versions of ansible-core, and the Pythons that each one runs on
CORES = {
    "2.16": ["3.10", "3.11", "3.12"],
    "2.17": ["3.10", "3.11", "3.12"],
    "2.18": ["3.11", "3.12", "3.13"],
    "2.19": ["3.11", "3.12", "3.13"],
    "2.20": ["3.12", "3.13", "3.14"],
    "2.21": ["3.12", "3.13", "3.14"],
}

antsibull_nox.load_antsibull_nox_toml()


def add_make_session(target: str) -> None:
    @nox.session(name=target, python=False)
    def run(session: nox.Session) -> None:
        session.run("make", target, *session.posargs, external=True)


for name in TARGETS:
    add_make_session(name)


@nox.session(venv_backend="venv", default=False)
@nox.parametrize("python,core", [(python, core) for core, pythons in CORES.items() for python in pythons])
def matrix(session: nox.Session, core: str) -> None:
    """Checks with one Python and one ansible-core, by default: unit sanity integration."""
    session.install("-r", "tests/requirements/test.txt", f"ansible-core~={core}.0")
    session.run("python", "tests/tools/checks.py", *(session.posargs or ["unit", "sanity", "integration"]))
