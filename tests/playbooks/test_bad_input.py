# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input and bad days in a real playbook: tests/unit has many cases, this one has all that Ansible prints."""

from __future__ import annotations

import yaml

from simulator import Simulator

KEY, INFO = "community.honeycomb.honeycomb_api_key", "community.honeycomb.honeycomb_api_key_info"
INGEST = {"key_type": "ingest", "environment": "production"}


def test_bad_input_and_bad_days(sim, run_playbook, tmp_path):
    twins = [sim.add_key("twin", "ingest", "production") for _number in range(2)]
    # Credentials that are not ours, for every host, and a proxy for everything that is not encrypted
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    netrc.chmod(0o600)
    with Simulator() as proxy, Simulator() as elsewhere, Simulator() as faulty:
        faulty.fail("listApiKeys", "html", times=3)
        faulty.fail("listApiKeys", "redirect", nth=4, times=None, location=f"{elsewhere.url}/2/auth")
        there = dict(
            zip(("management_key_id", "management_key_secret"), faulty.management, strict=True), api_url=faulty.url
        )
        cases = {
            "wrong option": (KEY, {"nam": "x", **INGEST}, ["nam", "name"]),
            "unknown environment": (
                KEY,
                {"name": "x", "key_type": "ingest", "environment": "prod"},
                ["'prod'", "production, staging"],
            ),
            "two of one name": (KEY, {"name": "twin", **INGEST}, [twins[0].id, twins[1].id, "give the id"]),
            "refused key": (
                INFO,
                {"management_key_secret": "wrong"},
                [sim.management[0], "401", "HONEYCOMB_KEY_SECRET"],
            ),
            "web page": (INFO, there, ["text/html", "JSON", faulty.url, "api_url"]),
            "redirect": (INFO, there, ["redirect", "not followed", faulty.url]),
        }
        tasks = [
            {"name": name, module: options, "ignore_errors": True} for name, (module, options, _words) in cases.items()
        ]
        unusual = "{{ '{{' }} caf\u00e9/\U0001f511 'quoted\" ?a=b&c#d"
        tasks.append({"name": "unusual name", KEY: {"name": unusual, **INGEST}, "no_log": True})
        play = [{"name": "Bad input", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        run = run_playbook(
            "---\n" + yaml.safe_dump(play, sort_keys=False),
            verbosity=3,
            diff=True,
            env={"http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "no_proxy": "", "NO_PROXY": "", "NETRC": str(netrc)},
        )
        for name, (_module, _options, words) in cases.items():
            task = run.task(name)
            assert task["status"] == "failed"
            for word in words:
                assert word in task["result"]["msg"], f"{name}: {word!r} is not in {task['result']['msg']!r}"
        assert run.task("unusual name")["status"] == "changed"
        assert sim.keys()[-1].name == unusual.replace("{{ '{{' }}", "{{")
        assert "Traceback (most recent call last)" not in run.output
        secrets = [secret for one in (sim, faulty) for secret in one.issued_secrets()]
        assert len(secrets) > 4
        assert not [secret for secret in secrets if secret in run.output]
        assert not proxy.requests
        assert not elsewhere.requests
        assert [request.operation for request in sim.requests if request.method != "GET"] == ["createApiKey"]
