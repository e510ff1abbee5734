# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input and bad days: one clear message each, nothing written, no traceback, no secret."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator import Simulator

KEY, INFO, AUTH = "honeycomb_api_key", "honeycomb_api_key_info", "honeycomb_auth_info"
KEYS = "honeycomb_api_keys"
INGEST = {"key_type": "ingest", "environment": "production"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """A self-signed certificate for 127.0.0.1: the paths of the certificate, of its key, and of another certificate."""
    folder = tmp_path_factory.mktemp("tls")
    for name, address in (("server", "127.0.0.1"), ("other", "127.0.0.2")):
        private = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name} of a test")])
        now = datetime.datetime.now(datetime.timezone.utc)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(private, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return folder / "server.pem", folder / "server.key", folder / "other.pem"


def run_cases(call_module: Any, cases: Any, **options: Any) -> Any:
    """Run each case, which has to fail with all of its words; return everything that was printed."""
    output = ""
    for name, (module, arguments, words) in cases.items():
        result = call_module(module, arguments, **options)
        output += result.output
        assert result.get("failed"), name
        assert len(result["msg"]) < 700, f"{name}: {result['msg']}"
        for word in words:
            assert word in result["msg"], f"{name}: {word!r} is not in {result['msg']!r}"
    assert "Traceback" not in output
    return output


def writes(sim: Any) -> list[Any]:
    return [request for request in sim.requests if request.method != "GET"]


@pytest.mark.parametrize("check", [True, False])
def test_bad_input(
    sim: Simulator, call_module: Callable[..., Any], leaks: Callable[..., list[str]], check: Any
) -> None:
    twins = [sim.add_key("twin", "ingest", "production") for _number in range(2)]
    ingest = sim.add_key("sender", "ingest", "production")
    key_id, secret = sim.management
    unknown = "hcxik_" + "0" * 26
    cases = {
        "wrong option": (KEY, {"nam": "x", **INGEST}, ["nam", "name"]),
        "wrong state": (
            KEY,
            {"name": "x", "state": "enabled", **INGEST},
            ["state", "present, disabled, pending, absent"],
        ),
        "wrong type": (
            KEY,
            {"name": "x", "key_type": "management", "environment": "production"},
            ["key_type", "ingest, configuration"],
        ),
        "wrong permission": (KEY, {"name": "x", "permissions": {"fly": True}, **INGEST}, ["fly", "permissions"]),
        "beyond ingest": (
            KEY,
            {"name": "x", "permissions": {"run_queries": True}, **INGEST},
            ["permissions.run_queries", "configuration"],
        ),
        "neither id nor name": (KEY, INGEST, ["id, name"]),
        "no environment": (KEY, {"name": "x", "key_type": "ingest"}, ["environment is missing"]),
        "unknown environment": (
            KEY,
            {"name": "x", "key_type": "ingest", "environment": "prod"},
            ["'prod'", "production, staging"],
        ),
        "too long name": (KEY, {"name": "n" * 101, **INGEST}, ["name", "101 characters", "100"]),
        "blank name": (KEY, {"name": " ", **INGEST}, ["name", "not only blanks"]),
        "outer blank": (KEY, {"name": "x ", **INGEST}, ["name", "'x '", "begins or ends with a blank"]),
        "bad time": (
            KEY,
            {"name": "x", "time_to_live": "tomorrow", **INGEST},
            ["time_to_live", "'tomorrow'", "2030-01-31T12:00:00Z"],
        ),
        "no id": (KEY, {"id": "../x"}, ["id", "'../x'"]),
        "unknown id": (KEY, {"id": unknown}, [unknown]),
        "two of one name": (KEY, {"name": "twin", **INGEST}, [twins[0].id, twins[1].id, "give the id"]),
        "fixed type": (
            KEY,
            {"id": ingest.id, "key_type": "configuration"},
            ["key_type", ingest.id, "of type ingest, not configuration", "can't be changed"],
        ),
        "fixed environment": (
            KEY,
            {"id": ingest.id, "environment": "staging"},
            ["environment", ingest.id, "in environment production, not in staging", "can't be changed"],
        ),
        "fixed environment of an item": (
            KEYS,
            {"api_keys": [{"id": ingest.id, "environment": "staging"}]},
            ["api_keys[0]: environment", "in environment production, not in staging"],
        ),
        "a string for an item": (KEYS, {"api_keys": [{"name": "a"}, "checkout"]}, ["api_keys[1]", "{name: ...}"]),
        "a string for permissions": (
            KEYS,
            {"api_keys": [{"name": "a"}, {"name": "b", "permissions": "all"}]},
            ["api_keys[1].permissions", "{create_datasets: ...}"],
        ),
        "a permission twice": (
            KEYS,
            {"permissions": {"manage_privateBoards": True, "manage_private_boards": False}, "api_keys": []},
            ["permissions.manage_privateBoards", "given twice"],
        ),
        "an invisible end": (KEY, {"name": "x\u200b", **INGEST}, ["name", "begins or ends with a blank"]),
        "a line in a name": (KEY, {"name": "x\ny", **INGEST}, ["name", "control character"]),
        "nothing to keep": (KEYS, {"api_keys": [], **INGEST, "purge": "delete"}, ["purge", "purge_all=true"]),
        "only absent ones": (
            KEYS,
            {"api_keys": [{"name": "x", "state": "absent"}], **INGEST, "purge": "disable", "purge_prefix": "s"},
            ["purge", "begins with 's'", "disabled", "purge_all=true"],
        ),
        "every prefix": (
            KEYS,
            {"api_keys": [{"name": "x"}], **INGEST, "purge": "delete", "purge_prefix": ""},
            ["purge_prefix", "empty"],
        ),
        "prefix for nothing": (KEYS, {"api_keys": [], "purge_prefix": "s"}, ["purge_prefix", "no effect"]),
        "purge of all for nothing": (KEYS, {"api_keys": [], "purge_all": True}, ["purge_all", "no effect"]),
        "bad duration": (INFO, {"older_than": "three months"}, ["older_than", "'three months'", "90d"]),
        "number only": (INFO, {"older_than": 90}, ["older_than", "90d"]),
        "bad status": (INFO, {"status": "on"}, ["status", "enabled, disabled"]),
        "no secret": (INFO, {"management_key_secret": ""}, ["management_key_secret", "HONEYCOMB_KEY_SECRET"]),
        "no id of a key": (INFO, {"management_key_id": ""}, ["management_key_id", "HONEYCOMB_KEY_ID"]),
        "refused key": (INFO, {"management_key_secret": secret[::-1]}, [key_id, "401", "HONEYCOMB_KEY_SECRET"]),
        "another team": (KEY, {"id": unknown, "state": "absent", "team": "other"}, ["'other'", "'simulated-team'"]),
        "clear text": (INFO, {"api_url": "http://api.honeycomb.io"}, ["api_url", "https", "loopback"]),
        "user in address": (
            INFO,
            {"api_url": f"https://{key_id}:{secret}@api.honeycomb.io"},
            ["api_url", "user or a password"],
        ),
        "no address": (INFO, {"api_url": "api.honeycomb.io"}, ["api_url", "https://api.honeycomb.io"]),
        "no timeout": (INFO, {"timeout": 0}, ["timeout", "from 0.001"]),
        "negative wait": (INFO, {"max_wait": -1}, ["max_wait", "from 0 to"]),
        "value with a line's end": (AUTH, {"key": ingest.value + "\n"}, ["key", "line break", "Remove"]),
        "path in address": (
            INFO,
            {"api_url": f"{sim.url}/2/teams/other"},
            ["api_url", "includes a path of the API", f"Leave it off: {sim.url}."],
        ),
    }
    output = run_cases(call_module, cases, check=check)
    assert not writes(sim)
    # What the user wrote where it may be shown is shown again; the rest is not.
    assert not leaks(sim, output.replace(secret[::-1], ""))


@pytest.mark.parametrize("other", [True, "yes", "true", None])
def test_a_permission_given_twice_alike(call_module: Any, other: Any) -> None:
    permissions = {"manage_privateBoards": True, "manage_private_boards": other}
    item = {"name": "a", "key_type": "configuration", "environment": "production", "permissions": permissions}
    assert not call_module(KEYS, {"api_keys": [item]}, check=True).get("failed")


def test_a_secret_given_as_id_is_not_shown(sim: Simulator, call_module: Callable[..., Any]) -> None:
    """Ansible repeats what a task was given, and an id is no secret. What does not look like an id may be one."""
    secret = sim.management[1]
    for module, arguments in ((INFO, {}), (KEYS, {"api_keys": []}), (AUTH, {}), (KEYS, {"api_keys": ["x"]})):
        result = call_module(module, {**arguments, "management_key_id": secret, "management_key_secret": "x"})
        assert result.get("failed") and secret not in result.output
    assert sim.management[0] in call_module(INFO, {"management_key_id": sim.management[0]}).output


@pytest.fixture
def hostile(tmp_path: Path, raw_server: Callable[..., Any], http_answer: Callable[..., bytes]) -> tuple[Any, ...]:
    """A proxy for what is not encrypted, other credentials for every host, and the variables that lead to both."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    netrc.chmod(0o600)
    proxy = raw_server(http_answer({}))
    variables = dict.fromkeys(["http_proxy", "HTTP_PROXY"], proxy.url)
    return proxy, {**variables, "no_proxy": "", "NO_PROXY": "", "NETRC": str(netrc)}


def ask(target: Any, **options: Any) -> dict[str, Any]:
    credentials = dict(zip(("management_key_id", "management_key_secret"), target.management, strict=True))
    return {**credentials, "api_url": target.url, "max_wait": 0, **options}


DAYS = [
    ("html", {}, ["text/html instead of JSON", "api_url"]),
    ("garbage", {}, ["not complete JSON"]),
    ("truncate", {}, ["complete"]),
    ("reset", {}, ["connection broke"]),
    ("status", {"status": 503, "shape": "html"}, ["status 503", "later"]),
    ("status", {"status": 500, "shape": "legacy"}, ["status 500", "told to fail"]),
    ("status", {"status": 429, "retry_after": "864000"}, ["rate limit", "10 d", "max_wait"]),
    ("status", {"status": 404, "shape": "html"}, ["text/html", "api_url"]),
]


@pytest.mark.parametrize(
    ("operation", "effect", "details", "words"),
    [
        (operation, *day)
        for operation in ("getV2Auth", "listApiKeys", "getApiKey", "updateApiKey", "deleteApiKey")
        for day in DAYS
        # An answer to a deletion has no content that could be broken.
        if (operation, day[0]) not in (("deleteApiKey", "garbage"), ("deleteApiKey", "truncate"))
    ],
)
def test_bad_days(
    sim: Simulator,
    call_module: Callable[..., Any],
    leaks: Callable[..., list[str]],
    hostile: Any,
    operation: Any,
    effect: Any,
    details: Any,
    words: Any,
) -> None:
    key = sim.add_key("a", "ingest", "production")
    proxy, env = hostile
    before = sim.keys()
    sim.fail(operation, effect, times=None, **details)
    module, arguments = {
        "listApiKeys": (INFO, {}),
        "updateApiKey": (KEY, {"id": key.id, "name": "b"}),
    }.get(operation, (KEY, {"id": key.id, "state": "absent"}))
    address = [] if "retry_after" in details else [sim.url]
    output = run_cases(call_module, {"a bad day": (module, ask(sim, **arguments), [*words, *address])}, env=env)
    assert not leaks(sim, output)
    assert not proxy.connections
    assert sim.keys() == before


def test_redirects_do_not_get_credentials(
    sim: Simulator,
    call_module: Callable[..., Any],
    leaks: Callable[..., list[str]],
    hostile: Any,
    raw_server: Callable[..., Any],
    http_answer: Callable[..., bytes],
) -> None:
    elsewhere = raw_server(http_answer({}))
    proxy, env = hostile
    sim.fail(None, "redirect", times=None, location=elsewhere.url + "/2/auth")
    value = sim.add_key("a").value
    output = run_cases(
        call_module,
        {
            "list": (INFO, ask(sim), ["redirect", "not followed", sim.url]),
            "value": (AUTH, ask(sim, key=value), ["redirect", "not followed", sim.url]),
        },
        env=env,
    )
    assert not elsewhere.connections
    assert not leaks(sim, output)


def test_nobody_listens(sim: Simulator, call_module: Callable[..., Any], leaks: Callable[..., list[str]]) -> None:
    output = run_cases(
        call_module,
        {
            "port": (
                INFO,
                ask(sim, api_url="http://127.0.0.1:9"),
                ["nothing answers", "http://127.0.0.1:9", "api_url"],
            ),
            "name": (INFO, ask(sim, api_url="https://honeycomb.invalid"), ["https://honeycomb.invalid", "api_url"]),
            "value": (
                AUTH,
                {"key": "x", "api_url": "http://127.0.0.1:9", "max_wait": 0},
                ["nothing answers", "http://127.0.0.1:9"],
            ),
        },
        env={"no_proxy": "*"},
    )
    assert not leaks(sim, output)


def test_certificates(
    sim: Simulator, call_module: Callable[..., Any], leaks: Callable[..., list[str]], certificate: Any, tmp_path: Path
) -> None:
    server, private, other = certificate
    broken, empty = tmp_path / "broken.pem", tmp_path / "empty.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    empty.write_text("")
    with Simulator(ssl_context=(str(server), str(private))) as secure:
        output = run_cases(
            call_module,
            {
                "self-signed": (
                    INFO,
                    ask(secure),
                    ["certificate does not verify", secure.url, "ca_path", "validate_certs"],
                ),
                "other authority": (INFO, ask(secure, ca_path=str(other)), ["certificate does not verify", "ca_path"]),
                "no authority": (
                    INFO,
                    ask(secure, ca_path="/nowhere.pem"),
                    ["ca_path", "'/nowhere.pem'", "No such file"],
                ),
                "broken authority": (INFO, ask(secure, ca_path=str(broken)), ["ca_path", str(broken)]),
                "empty authority": (INFO, ask(secure, ca_path=str(empty)), ["ca_path", str(empty)]),
                "other name": (
                    INFO,
                    ask(secure, api_url=f"https://localhost:{secure.port}", ca_path=str(server)),
                    ["certificate does not verify", "localhost"],
                ),
                "no TLS there": (
                    INFO,
                    ask(sim, api_url=sim.url.replace("http:", "https:")),
                    ["does not speak https", "api_url"],
                ),
                "TLS there": (
                    INFO,
                    ask(secure, api_url=secure.url.replace("https:", "http:")),
                    [f"http://127.0.0.1:{secure.port}"],
                ),
            },
            env={"no_proxy": "*"},
        )
        assert not secure.requests
        assert not leaks(secure, output)
        run_cases(
            call_module,
            {
                "bundle of the environment": (INFO, ask(secure), ["REQUESTS_CA_BUNDLE", "can't be read"]),
            },
            env={"no_proxy": "*", "REQUESTS_CA_BUNDLE": "/nowhere.pem"},
        )
        # What the task says counts, whatever is in the environment.
        for env in ({}, {"REQUESTS_CA_BUNDLE": str(other), "CURL_CA_BUNDLE": "/nowhere.pem"}):
            for options in (
                {"ca_path": str(server)},
                {"validate_certs": False},
                {"validate_certs": False, "ca_path": "/nowhere.pem"},
            ):
                result = call_module(INFO, ask(secure, **options), env={"no_proxy": "*", **env})
                assert result.get("api_keys") == [], result
        assert (
            call_module(INFO, ask(secure), env={"no_proxy": "*", "REQUESTS_CA_BUNDLE": str(server)})["api_keys"] == []
        )
