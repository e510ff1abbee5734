# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the project's checks one after the other, each to its end, and close with a summary.

Usage: checks.py CHECK ... (see CHECKS and GROUPS at the end of this file). The exit code is 0 when everything passed.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import ansible_test
import pip

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator import Simulator
from tools.workspace import CACHE, ROOT, build, clean_environment, stage

TOOLS = Path(sys.executable).parent
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# Top-level names that belong to the project, not to the collection that users install
NOT_SHIPPED = {
    ".ansible",
    ".cache",
    ".ci",
    ".git",
    ".venv",
    "Makefile",
    "antsibull-nox.toml",
    "collections",
    "demo",
    "noxfile.py",
    "pyproject.toml",
    "tests",
}

Counts = dict[str, int]


class Checks:
    """The checks; each returns how many of its parts passed, failed and were skipped."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.collections = work / "collections"
        # Kept from run to run, as the home of the tools: ansible-test installs what it needs there.
        self.home = CACHE / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        # Outside of the clone: the tools skip a folder that git ignores.
        self.copy = stage(self.collections)

    def run(self, *command: str | Path, cwd: Path | None = None) -> Counts:
        """Run a command on the copy of the collection; what it prints is shown."""
        settings = {} if sys.stdout.isatty() else {"NO_COLOR": "1"}
        env = clean_environment(self.home, ANSIBLE_COLLECTIONS_PATH=str(self.collections), **settings)
        rc = subprocess.call(command, cwd=cwd or self.copy, env=env, stdin=subprocess.DEVNULL)
        return {"passed": int(rc == 0), "failed": int(rc != 0)}

    def pytest(self, *options: str) -> Counts:
        report = self.work / "pytest.xml"
        shown = ["-rs", "--durations=5", f"--junit-xml={report}"]
        counts = self.run(TOOLS / "pytest", "-n", "auto", *shown, *options, cwd=ROOT)
        if not report.exists():
            return counts
        suites = [suite.attrib for suite in ElementTree.parse(report).iter("testsuite")]
        tests, skipped, failures, errors = (
            sum(int(suite[name]) for suite in suites) for name in ("tests", "skipped", "failures", "errors")
        )
        failed = max(failures + errors, counts["failed"])
        return {"passed": tests - skipped - failures - errors, "failed": failed, "skipped": skipped}

    def pytest_full(self) -> Counts:
        return self.pytest("-m", "slow or not slow")

    def unit(self) -> Counts:
        return self.pytest("tests/unit")

    def ruff(self) -> Counts:
        return self.run(TOOLS / "ruff", "check", ".", cwd=ROOT)

    def format(self) -> Counts:
        return self.run(TOOLS / "ruff", "format", "--check", ".", cwd=ROOT)

    def types(self) -> Counts:
        # This makes the link by which mypy finds the plugins under the name of the collection.
        self.run(sys.executable, "-c", "import conftest", cwd=ROOT / "tests")
        return self.run(TOOLS / "mypy", cwd=ROOT)

    def extra_checks(self) -> Counts:
        """What antsibull-nox checks with scripts of its own; here they need no environment of theirs."""
        return self.run(TOOLS / "nox", "--no-venv", "--session", "extra-checks", cwd=ROOT)

    def ansible_lint(self) -> Counts:
        return self.run(TOOLS / "ansible-lint", "--offline", "--profile", "production", "--strict")

    def docs(self) -> Counts:
        options = ["--plugin-docs", "--validate-collection-refs=all", "--check-extra-docs-refs"]
        return self.run(TOOLS / "antsibull-docs", "lint-collection-docs", *options, ".")

    def changelog(self) -> Counts:
        return self.run(TOOLS / "antsibull-changelog", "lint")

    def importer(self) -> Counts:
        tarball = build(self.copy, self.work)
        with tarfile.open(tarball) as archive:
            shipped = {name.split("/")[0] for name in archive.getnames()}
        stowaways = sorted(shipped & NOT_SHIPPED)
        if stowaways:
            print(
                f"The built collection holds what belongs to the project only: {', '.join(stowaways)}."
                " Add it to build_ignore in galaxy.yml."
            )
            return {"passed": 0, "failed": 1}
        return self.run(sys.executable, "-m", "galaxy_importer.main", tarball, cwd=self.work)

    def sanity(self) -> Counts:
        self.provide_pip()
        return self.run(TOOLS / "ansible-test", "sanity", "--local", "--python", PYTHON_VERSION)

    def integration(self) -> Counts:
        """Run the integration tests against a simulator."""
        config = self.copy / "tests" / "integration" / "integration_config.yml"
        with Simulator() as simulator:
            exports = simulator.environment_variables()
            config.write_text("".join(f"{name.lower()}: {json.dumps(value)}\n" for name, value in exports.items()))
            try:
                return self.run(TOOLS / "ansible-test", "integration", "--local", "--python", PYTHON_VERSION)
            finally:
                config.unlink()

    def provide_pip(self) -> None:
        """Let ansible-test install from the package index alone.

        It would download get-pip.py, in a version of its own, from a server that not everybody can reach. A file of
        that name in its cache, which starts the pip of our own virtual environment, does the same.
        """
        link = self.home / "pip-alone" / "pip"
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path(pip.__file__).parent)
        script = "\n".join(
            [
                "import sys",
                f"sys.path.insert(0, {str(link.parent)!r})",
                "from pip._internal.cli.main import main",
                "unknown = ('--no-setuptools', '--no-wheel')",
                "sys.exit(main(['install', *(option for option in sys.argv[1:] if option not in unknown)]))",
            ]
        )
        quiet = self.home / ".config" / "pip" / "pip.conf"
        quiet.parent.mkdir(parents=True, exist_ok=True)
        quiet.write_text("[global]\nquiet = 1\n")
        source = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
        cache = self.home / ".ansible" / "test" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        for version in re.findall(r"pip\b.{0,4}'(\d+(?:\.\d+)+)'", source.read_text()):
            (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(script)


CHECKS: dict[str, Callable[[Checks], Counts]] = {
    "pytest": Checks.pytest,
    "pytest-full": Checks.pytest_full,
    "unit": Checks.unit,
    "ruff": Checks.ruff,
    "format": Checks.format,
    "types": Checks.types,
    "ansible-lint": Checks.ansible_lint,
    "docs": Checks.docs,
    "changelog": Checks.changelog,
    "extra-checks": Checks.extra_checks,
    "importer": Checks.importer,
    "sanity": Checks.sanity,
    "integration": Checks.integration,
}
GROUPS: dict[str, Any] = {
    "lint": ["ruff", "format", "types", "ansible-lint", "docs", "changelog", "extra-checks", "importer"],
}


def main(names: list[str]) -> int:
    names = [check for name in names for check in GROUPS.get(name, [name])]
    unknown = [name for name in names if name not in CHECKS]
    if unknown or not names:
        sys.exit(f"usage: checks.py CHECK ..., each one of: {' '.join([*GROUPS, *CHECKS])}")
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    rows = []
    with tempfile.TemporaryDirectory(prefix="honeycomb-checks-") as work:
        checks = Checks(Path(work))
        for name in names:
            print(f"\n=== {name}", flush=True)
            start = time.monotonic()
            try:
                counts = CHECKS[name](checks)
            except (OSError, subprocess.CalledProcessError) as error:
                print(error)
                counts = {"passed": 0, "failed": 1}
            rows.append((name, counts, time.monotonic() - start))

    print("\n=== summary")
    for name, counts, seconds in rows:
        verdict = "FAILED" if counts["failed"] else "ok"
        parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        print(f"{verdict:7} {name:13} {seconds:4.0f} s   {parts}")
    passed, failed = (sum(counts[what] for name, counts, seconds in rows) for what in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
