# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store ``kubernetes`` against a double of the API. The independent reader is HTTP and base64."""

from __future__ import annotations

import base64
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Publication,
    Sessions,
    Store,
    StoreConflict,
    StoreError,
)
from stores.conformance import ONE, THREE, TWO, StoreConformance
from stores.kubernetes_double import NAMESPACE, TOKEN, KubernetesDouble, Refusal

pytest.importorskip("kubernetes", reason="the Python package kubernetes is not installed")


@pytest.fixture
def double(tmp_path: Path) -> Iterator[KubernetesDouble]:
    server = KubernetesDouble(tmp_path)
    yield server
    server.stop()


class TestKubernetes(StoreConformance):
    many = True

    @pytest.fixture(autouse=True)
    def _double(self, _folder: None, double: KubernetesDouble) -> None:
        self.double = double

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {
            "type": "kubernetes",
            "namespace": NAMESPACE,
            "secret": "{name}",
            "field": f"HONEYCOMB_{entry.upper()}",
            "kubeconfig": str(self.double.kubeconfig),
        }

    def look(self, entry: str) -> str | None:
        return self.fields(self.key_name).get(f"HONEYCOMB_{entry.upper()}")

    def overwrite(self, entry: str, value: str) -> None:
        self.double.put(self.key_name, {**self.fields(self.key_name), f"HONEYCOMB_{entry.upper()}": value})

    def get(self, name: str) -> dict[str, Any]:
        url = f"{self.double.url}/api/v1/namespaces/{NAMESPACE}/secrets/{name}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as exc:
            assert exc.code == 404
            return {}

    def fields(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.get(name).get("data", {}).items()}

    def test_what_is_not_live_is_in_a_secret_of_its_own(self) -> None:
        self.bring_live(ONE)
        self.bring_live(THREE, ONE.value, ONE.key_id)
        self.stage(TWO)
        assert self.fields(self.key_name) == {"HONEYCOMB_ONE": THREE.value}
        own = self.fields(f"{self.key_name}-honeycomb")
        assert own.pop("HONEYCOMB_ONE.live_id").startswith(f"{THREE.key_id} ")
        assert {key: json.loads(text)["value"] for key, text in own.items()} == {
            "HONEYCOMB_ONE.pending": TWO.value,
            "HONEYCOMB_ONE.previous": ONE.value,
        }
        labels = self.get(f"{self.key_name}-honeycomb")["metadata"]["labels"]
        assert labels == {"app.kubernetes.io/managed-by": "community.honeycomb"}

    def test_everything_else_in_a_secret_stays(self) -> None:
        metadata = {
            "name": self.key_name,
            "namespace": NAMESPACE,
            "labels": {"app": "shop"},
            "annotations": {"note": "kept"},
            "ownerReferences": [{"kind": "Unknown", "name": "x", "uid": "1", "apiVersion": "v9"}],
        }
        self.double.put(self.key_name, {"OTHER": "1", "BINARY": "x"}, metadata=metadata, type="shop/own", future=[1])
        before = self.get(self.key_name)
        self.bring_live(ONE)
        after = self.get(self.key_name)
        assert after["data"].pop("HONEYCOMB_ONE")
        assert after["metadata"].pop("resourceVersion") != before["metadata"].pop("resourceVersion")
        assert after == before

    def test_a_secret_is_made_with_the_type_opaque(self) -> None:
        self.publish(ONE, None)
        assert self.get(self.key_name)["type"] == "Opaque"

    def test_the_version_is_that_of_the_secret(self) -> None:
        self.publish(ONE, None)
        assert self.slots().version == self.get(self.key_name)["metadata"]["resourceVersion"]

    def test_a_change_between_reading_and_writing_is_kept(self) -> None:
        self.publish(ONE, None)
        times = iter(range(3))

        def other(name: str) -> None:
            if name == self.key_name and next(times, None) is not None:
                self.double.put(name, {**self.fields(name), "OTHER": str(time.monotonic())})

        self.double.before_patch = other  # type: ignore[method-assign]
        self.publish(TWO, ONE.value)
        assert self.look("one") == TWO.value
        assert "OTHER" in self.fields(self.key_name)

    def test_another_value_between_reading_and_writing_is_a_conflict(self) -> None:
        self.publish(ONE, None)
        self.double.before_patch = (  # type: ignore[method-assign]
            lambda name: self.double.put(name, {"HONEYCOMB_ONE": "another"}) if name == self.key_name else None
        )
        with pytest.raises(StoreConflict) as caught:
            self.publish(TWO, ONE.value)
        assert self.look("one") == "another"
        self.tells_no_value(caught.value)

    def test_a_secret_that_somebody_else_creates_first_is_no_error(self) -> None:
        store = self.open()
        create = self.double._create

        def late(namespace: str, name: str, body: dict[str, Any], dry: bool) -> dict[str, Any]:
            if (namespace, name) not in self.double.secrets:
                self.double.put(name, {"OTHER": "1"})
            return create(namespace, name, body, dry)

        self.double._create = late  # type: ignore[method-assign]
        store.publish({store.entry: Publication(ONE)})
        assert self.fields(self.key_name) == {"OTHER": "1", "HONEYCOMB_ONE": ONE.value}

    def test_a_secret_that_changes_all_the_time_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules[type(self.open()).__module__], "_PAUSE", 0.0)
        self.publish(ONE, None)
        self.double.before_patch = (  # type: ignore[method-assign]
            lambda name: (
                self.double.put(name, {"HONEYCOMB_ONE": ONE.value, "OTHER": str(time.monotonic())})
                if name == self.key_name
                else None
            )
        )
        with pytest.raises(StoreError, match="was changed by somebody else each of the 20 times"):
            self.publish(TWO, ONE.value)
        assert self.look("one") == ONE.value

    def test_the_value_that_comes_back_is_never_in_no_slot(self) -> None:
        """Between two writes a run may die."""
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        seen = []

        def look(name: str) -> None:
            texts = [*self.fields(self.key_name).values(), *self.fields(f"{self.key_name}-honeycomb").values()]
            seen.append([any(value in text for text in texts) for value in (ONE.value, TWO.value)])

        self.double.before_patch = look  # type: ignore[method-assign]
        self.publish(ONE, TWO.value, replaced=TWO.key_id)
        assert [held for held, _rest in seen] == [True, True]

    # -- the probe -------------------------------------------------------------------------------------------------

    def probe(self) -> None:
        store = self.open()
        store.probe([store.entry])

    def test_a_probe_keeps_nothing(self) -> None:
        self.probe()
        assert self.double.secrets == {}
        assert [line for line in self.double.asked if not line.startswith("get ")] == [
            f"create {self.key_name} (dry run)",
            f"create {self.key_name}-honeycomb (dry run)",
        ]

    @pytest.mark.parametrize("verb", ["get", "create", "patch"])
    @pytest.mark.parametrize("reviews", [True, False])
    def test_a_right_that_is_missing_is_told(self, verb: str, reviews: bool) -> None:
        self.double.refused = {verb}
        self.double.reviews = reviews
        told = rf"The login must not {verb} the Secret {NAMESPACE}/{self.key_name}.*the verbs get, create and patch"
        if verb == "patch" and not reviews:
            self.probe()  # nothing can tell it
            self.stage(ONE)  # creates a Secret
            with pytest.raises(StoreError, match=told):
                self.stage(TWO)
        else:
            with pytest.raises(StoreError, match=told) as caught:
                self.probe()
            assert f"{self.key_name} and {self.key_name}-honeycomb" in str(caught.value)

    def test_a_probe_goes_on_where_it_can_not_ask_for_its_rights(self) -> None:
        self.double.reviews = False
        self.probe()

    def test_a_missing_namespace_is_told(self) -> None:
        store = open_store({**complete(self.dictionary("one")), "secret": "x", "namespace": "none"}, 10, Sessions())
        self.double.reviews = False
        works: list[Callable[[], None]] = [
            lambda: store.probe([store.entry]),
            lambda: store.stage({store.entry: ONE}),
        ]
        for work in works:
            with pytest.raises(StoreError, match="The namespace none does not exist.*correct store.namespace"):
                work()

    def test_an_immutable_secret_is_told(self) -> None:
        self.double.put(self.key_name, {"HONEYCOMB_ONE": ONE.value}, immutable=True)
        works: list[Callable[[], None]] = [self.probe, lambda: self.publish(TWO, ONE.value)]
        for work in works:
            with pytest.raises(StoreError, match="is immutable.*Nothing was changed"):
                work()
        assert self.look("one") == ONE.value

    # -- failures --------------------------------------------------------------------------------------------------

    def fails(self, told: str, timeout: float = 10) -> None:
        store = open_store({**self.open().options}, timeout, Sessions())
        works = (
            lambda: store.probe([store.entry]),
            lambda: store.read([store.entry]),
            lambda: store.stage({store.entry: ONE}),
            lambda: store.publish({store.entry: Publication(ONE)}),
            lambda: store.settle({store.entry: str(ONE.key_id)}),
        )
        for work in works:
            with pytest.raises(StoreError, match=told) as caught:
                work()
            self.tells_no_value(caught.value)

    def test_a_login_that_is_not_accepted_is_told(self) -> None:
        self.double.write_kubeconfig("another-token")
        self.fails("does not accept the login.*Check the user of the kubeconfig")

    def test_an_api_that_fails_is_told(self) -> None:
        self.double.failing = 500
        self.fails(r"status 500\. It said: the double fails, as wanted\. Whether it was changed can't be told")

    def test_an_api_that_can_not_be_reached_is_told(self) -> None:
        self.double.stop()
        self.fails(f"the Kubernetes API at {self.double.url} gave no answer.*refused")

    def test_an_api_that_hangs_is_told(self) -> None:
        self.double.hanging = True
        started = time.monotonic()
        self.fails("gave no answer.*timed out", timeout=0.3)
        assert time.monotonic() - started < 5 * 0.3 + 2

    def test_a_write_without_an_answer_says_that_it_is_open(self) -> None:
        self.stage(ONE)
        store = open_store({**self.open().options}, 0.3, Sessions())
        self.double.before_patch = lambda name: time.sleep(1)  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="timed out.*Whether the Secret .* was changed can't be told") as caught:
            store.stage({store.entry: TWO})
        self.tells_no_value(caught.value)

    def test_an_answer_of_something_else_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(self.double, "answer", lambda *_: {"data": ["no secret", ONE.value]})
        store = self.open()
        with pytest.raises(StoreError, match="its answer is none of the Kubernetes API") as caught:
            store.read([store.entry])
        self.tells_no_value(caught.value)

    def test_a_message_with_the_value_in_it_is_not_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Such as that of a webhook that quotes what it refuses."""

        def refuse(namespace: str, name: str, body: dict[str, Any], dry: bool) -> dict[str, Any]:
            raise Refusal(400, "BadRequest", f"admission webhook denied the request: {json.dumps(body)}")

        monkeypatch.setattr(self.double, "_create", refuse)
        self.probe()  # its attempts are refused too, but that may be because they are attempts
        with pytest.raises(StoreError, match="status 400. Its message is not shown, because a value may be in it") as e:
            self.stage(ONE)
        self.tells_no_value(e.value, {"encoded": base64.b64encode(ONE.value.encode()).decode()[8:28]})

    def test_a_value_that_is_no_text_is_told(self) -> None:
        self.double.put(self.key_name, {})
        self.double.secrets[NAMESPACE, self.key_name]["data"]["HONEYCOMB_ONE"] = "/w=="
        with pytest.raises(StoreError, match="HONEYCOMB_ONE of the Secret .* is no text in UTF-8"):
            self.slots()


# -- without a server ----------------------------------------------------------------------------------------------


def opened(**options: Any) -> Store:
    given = {"type": "kubernetes", "namespace": NAMESPACE, "secret": "shop", "field": "KEY", **options}
    return open_store(complete(given), 1, Sessions())


@pytest.mark.parametrize(
    "options",
    [
        {"namespace": "Apps"},
        {"secret": "my service"},
        {"secret": "a" * 244},
        {"field": "a/b"},
        {"field": ".."},
        {"field": "a" * 245},
    ],
)
def test_a_name_that_kubernetes_would_not_take_is_told_before_anything_is_asked(options: dict[str, str]) -> None:
    with pytest.raises(InputError, match=f"store.{next(iter(options))}: .* can't be the name of a"):
        opened(**options)


def test_a_kubeconfig_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="kubeconfig .*/none can't be used.*Set store.kubeconfig or KUBECONFIG"):
        opened(kubeconfig=f"{tmp_path}/none").read(["KEY"])


def test_a_context_that_is_not_there_is_told(double: KubernetesDouble) -> None:
    with pytest.raises(StoreError, match="can't be used.*and store.context"):
        opened(kubeconfig=str(double.kubeconfig), context="another").read(["KEY"])


def test_without_a_kubeconfig_it_is_the_service_account_of_the_pod(
    tmp_path: Path, double: KubernetesDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(StoreError, match="The service account of this pod can't be used"):
        opened().read(["KEY"])
    folder = tmp_path / ".kube"
    folder.mkdir()
    (folder / "config").write_text(double.kubeconfig.read_text())
    assert opened().read(["KEY"])["KEY"].live is None


def test_the_kubeconfig_may_be_named_by_the_environment(
    double: KubernetesDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(double.kubeconfig))
    double.put("shop", {"KEY": "x"})
    assert opened().read(["KEY"])["KEY"].live == "x"


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(StoreError, match="The Python library kubernetes is missing on .*python.*"):
        opened().probe(["KEY"])


def test_stores_of_one_task_share_a_login(double: KubernetesDouble) -> None:
    sessions = Sessions()
    options = complete(
        {
            "type": "kubernetes",
            "namespace": NAMESPACE,
            "secret": "shop",
            "field": "KEY",
            "kubeconfig": str(double.kubeconfig),
        }
    )
    open_store(options, 10, sessions).read(["KEY"])
    double.kubeconfig.unlink()
    open_store({**options, "secret": "other"}, 10, sessions).read(["KEY"])
