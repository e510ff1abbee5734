# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store ``aws_secretsmanager``, against moto's double of the service. Somebody else's client is plain boto3."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._stores import aws_secretsmanager
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
from stores.servers import Moto, free_port

pytest.importorskip("boto3", reason="boto3 is not installed: see tests/requirements/stores.txt")
pytest.importorskip("moto.server", reason="moto[server] is not installed: see tests/requirements/stores.txt")

CLIENTS: dict[str, Sessions] = {}
METHODS = ("probe", "read", "stage", "publish", "settle")


@pytest.fixture(scope="module")
def _moto() -> Iterator[Moto]:
    with Moto() as moto:
        yield moto


@pytest.fixture
def moto(_moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moto]:
    """The service, and an environment that leads to it and nowhere else."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in _moto.environment().items():
        monkeypatch.setenv(name, value)
    yield _moto
    _moto.reset()


def opened(timeout: float = 10.0, **changes: Any) -> Store:
    given = {"type": "aws_secretsmanager", "secret_id": "apps/checkout", **changes}
    return open_store(complete(given), timeout, Sessions())


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


def refused(store: Store, method: str) -> str:
    """The message of a method that does not succeed. It holds no value, and no exception behind it that does."""
    with pytest.raises(StoreError) as caught:
        call(store, method)
    for held in (ONE, TWO, THREE):
        assert held.value not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


class Aws(StoreConformance):
    """What both forms have in common."""

    @pytest.fixture(autouse=True)
    def _service(self, moto: Moto) -> None:
        self.moto = moto
        self.aws = moto.client()

    def open(self, entry: str = "one", **changes: Any) -> Store:
        """With a client that all tests share: making one takes longer than a test, and it keeps nothing of a secret."""
        store = super().open(entry, **changes)
        store.sessions = CLIENTS.setdefault(self.moto.url, store.sessions)
        return store

    @property
    def name(self) -> str:
        return f"apps/production/{self.key_name}"

    def labels(self) -> dict[str, str]:
        """From each label to the id of its version."""
        versions = self.aws.describe_secret(SecretId=self.name)["VersionIdsToStages"]
        found = [(label, version) for version, labels in versions.items() for label in labels]
        assert len(found) == len(dict(found)), f"a label is on two versions: {versions}"
        return dict(found)

    def current(self) -> str | None:
        """What an application reads that does not know about versions."""
        try:
            return str(self.aws.get_secret_value(SecretId=self.name)["SecretString"])
        except (self.aws.exceptions.ResourceNotFoundException, KeyError):
            return None

    def others_write(self, content: str) -> None:
        """Another writer makes a value the current one."""
        token = os.urandom(16).hex()
        self.aws.put_secret_value(
            SecretId=self.name, SecretString=content, ClientRequestToken=token, VersionStages=["OTHERS"]
        )
        self.aws.update_secret_version_stage(
            SecretId=self.name,
            VersionStage="AWSCURRENT",
            RemoveFromVersionId=self.labels()["AWSCURRENT"],
            MoveToVersionId=token,
        )

    def overtake(self, content: str, action: str = "PutSecretValue", times: int = 1) -> None:
        """Let another writer come before the next requests of this kind."""
        left = [times]

        def before(found: str, parameters: dict[str, Any]) -> None:
            if found == action and left[0] and "OTHERS" not in parameters.get("VersionStages", []):
                left[0] -= 1
                self.moto.before = lambda action, parameters: None
                self.others_write(content)
                self.moto.before = before

        self.moto.before = before

    def test_the_version_is_that_of_the_live_value(self) -> None:
        self.bring_live(ONE)
        assert self.slots().version == self.labels()["AWSCURRENT"]

    def test_nothing_of_ours_stays_behind(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        assert set(self.labels()) == self.kept_labels

    kept_labels: set[str] = set()

    def test_nothing_is_written_where_nothing_changes(self) -> None:
        self.bring_live(ONE)
        self.moto.calls.clear()
        self.publish(ONE, ONE.value)
        self.settle(ONE.key_id)
        assert not {"CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"} & set(self.moto.calls)

    def test_a_secret_without_a_version_can_be_used(self) -> None:
        self.aws.create_secret(Name=self.name)
        store = self.open()
        store.probe([store.entry])
        assert self.slots() == Slots()
        self.stage(ONE)
        assert self.look("one") is None
        self.publish(ONE, None)
        assert self.look("one") == ONE.value

    def test_the_key_of_a_new_secret_is_the_one_that_is_named(self) -> None:
        store = self.open(kms_key_id="alias/ours")
        store.stage({store.entry: ONE})
        assert self.aws.describe_secret(SecretId=self.name)["KmsKeyId"] == "alias/ours"

    def test_a_secret_scheduled_for_deletion_is_told(self) -> None:
        self.bring_live(ONE)
        self.aws.delete_secret(SecretId=self.name)
        for method in METHODS:
            assert "is scheduled for deletion" in refused(self.open(), method)

    def test_binary_data_is_not_touched(self) -> None:
        self.aws.create_secret(Name=self.name, SecretBinary=b"\x00\x01")
        for method in ("probe", "read", "publish"):
            assert "holds binary data" in refused(self.open(), method)
        assert self.aws.get_secret_value(SecretId=self.name)["SecretBinary"] == b"\x00\x01"

    @pytest.mark.parametrize("action", ["PutSecretValue", "UpdateSecretVersionStage"])
    def test_a_value_that_changes_meanwhile_is_a_conflict(self, action: str) -> None:
        self.bring_live(ONE)
        theirs = self.as_content("theirs")
        self.overtake(theirs, action)
        with pytest.raises(StoreConflict) as caught:
            self.publish(TWO, ONE.value)
        self.tells_no_value(caught.value)
        assert self.current() == theirs

    def as_content(self, value: str) -> str:
        raise NotImplementedError

    def test_a_secret_that_always_changes_ends_the_tries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(aws_secretsmanager, "TRIES", 3)
        self.bring_live(ONE)
        before = self.current()
        assert before is not None
        self.overtake(before, "UpdateSecretVersionStage", times=99)
        store = self.open()
        with pytest.raises(StoreError, match="changed by others all the time: 3 tries") as caught:
            store.publish({store.entry: Publication(TWO, ONE.value)})
        self.tells_no_value(caught.value)
        assert self.current() == before


class TestWhole(Aws):
    """The secret is the value."""

    kept_labels = {"AWSCURRENT", "AWSPREVIOUS"}
    # The id is that of the version: one that is there already keeps its own.
    adopts = False

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {"type": "aws_secretsmanager", "secret_id": "apps/{environment}/{name}"}

    def look(self, entry: str) -> str | None:
        return self.current()

    def as_content(self, value: str) -> str:
        return value

    def overwrite(self, entry: str, value: str) -> None:
        self.aws.put_secret_value(SecretId=self.name, SecretString=value)

    def test_the_slots_are_those_of_aws(self) -> None:
        self.bring_live(ONE)
        self.stage(TWO)

        def at(label: str) -> str:
            return str(self.aws.get_secret_value(SecretId=self.name, VersionStage=label)["SecretString"])

        assert (at("AWSCURRENT"), at("AWSPENDING")) == (ONE.value, TWO.value)
        assert str(TWO.key_id) in self.labels()["AWSPENDING"]
        self.publish(TWO, ONE.value)
        assert (at("AWSCURRENT"), at("AWSPREVIOUS")) == (TWO.value, ONE.value)

    def test_a_value_of_somebody_else_has_no_key(self) -> None:
        self.aws.create_secret(Name=self.name, SecretString="theirs")
        self.publish(ONE, "theirs")
        assert self.slots().previous == Held("theirs", None)

    def test_a_version_with_another_content_is_left_alone(self) -> None:
        """Somebody has made up the id that our version would have."""
        self.stage(ONE)
        taken = self.labels()["AWSPENDING"]
        self.aws.create_secret(Name=f"{self.name}-2", SecretString="x")
        self.aws.put_secret_value(
            SecretId=f"{self.name}-2", SecretString="theirs", ClientRequestToken=taken, VersionStages=["OTHERS"]
        )
        store = self.open(secret_id=f"{self.name}-2")
        store.stage({"": ONE})
        assert store.read([""])[""].pending == ONE

    def test_a_value_that_was_live_long_ago_comes_back(self) -> None:
        """Its version has no label any more, but is still there."""
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value)
        self.bring_live(THREE, TWO.value)
        self.stage(ONE)
        assert self.slots().pending == ONE
        self.publish(ONE, THREE.value)
        assert self.look("one") == ONE.value
        assert self.slots().previous == THREE

    def test_a_key_without_an_id_can_be_staged(self) -> None:
        self.stage(Held("a" * 22, None))
        assert self.slots().pending == Held("a" * 22, None)

    def test_a_value_of_the_rotation_function_without_content_is_no_pending_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aws_secretsmanager, "PAUSES", (0.0,))
        self.bring_live(ONE)
        self.moto.before = lambda action, parameters: None
        self.moto._secret({"SecretId": self.name}).versions["v" * 32] = {
            "createdate": 0,
            "version_id": "v" * 32,
            "version_stages": ["AWSPENDING"],
        }
        assert self.slots().pending is None


class TestFields(Aws):
    """The secret is a JSON object, and its fields are values."""

    many = True
    kept_labels = {"AWSCURRENT", "AWSPREVIOUS", "HONEYCOMB"}

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {"type": "aws_secretsmanager", "secret_id": "apps/{environment}/{name}", "field": entry}

    def look(self, entry: str) -> str | None:
        content = self.current()
        return None if content is None else json.loads(content).get(entry)

    def as_content(self, value: str) -> str:
        return json.dumps({"one": value})

    def overwrite(self, entry: str, value: str) -> None:
        document = {**json.loads(str(self.current())), entry: value}
        self.aws.put_secret_value(SecretId=self.name, SecretString=json.dumps(document))

    def test_other_fields_are_kept_whatever_they_hold(self) -> None:
        others = {"port": 8080, "hosts": ["a", "b"], "text": "", "none": None, "two": "thëirs"}
        self.aws.create_secret(Name=self.name, SecretString=json.dumps(others))
        self.bring_live(ONE)
        assert json.loads(str(self.current())) == {**others, "one": ONE.value}

    def test_nothing_of_ours_is_among_what_applications_read(self) -> None:
        self.bring_live(ONE)
        self.stage(TWO)
        assert json.loads(str(self.current())) == {"one": ONE.value}

    def test_a_field_keeps_its_previous_value_when_another_one_changes(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        self.publish(THREE, None, "two")
        assert self.slots("one").previous == ONE
        assert self.slots("two").previous is None

    def test_a_field_of_another_writer_that_came_between_is_kept(self) -> None:
        self.bring_live(ONE)
        self.overtake(json.dumps({"one": ONE.value, "other": "theirs"}), times=2)
        self.publish(TWO, ONE.value)
        assert json.loads(str(self.current())) == {"one": TWO.value, "other": "theirs"}

    def test_what_died_between_its_notes_and_its_publication_is_done_again(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        self.stage(THREE)

        def before(action: str, parameters: dict[str, Any]) -> None:
            if action == "UpdateSecretVersionStage" and parameters["VersionStage"] == "AWSCURRENT":
                self.moto.refuse[action] = ("InternalServiceError", "")

        self.moto.before = before
        assert "AWS could not do" in str(pytest.raises(StoreError, self.publish, THREE, TWO.value, "one", TWO.key_id))
        self.moto.before = lambda action, parameters: None
        self.moto.refuse.clear()
        assert self.slots().previous == ONE, "what is live still is not the previous value"
        assert self.slots().live_id == TWO.key_id
        self.publish(THREE, TWO.value, replaced=TWO.key_id)
        assert self.slots().previous == TWO

    @pytest.mark.parametrize("content", ["no-json", '["a list"]', '"a text"'])
    def test_a_secret_without_fields_is_told(self, content: str) -> None:
        self.aws.create_secret(Name=self.name, SecretString=content)
        for method in ("probe", "read", "publish"):
            message = refused(self.open(), method)
            assert "its current version is not a JSON object" in message
            assert content not in message
        assert self.current() == content

    def test_a_place_as_a_whole_and_with_fields_is_told(self) -> None:
        store = self.open()
        with pytest.raises(StoreError, match="as a whole, and of others with store.field"):
            store.stage({"": ONE, "one": TWO})


# -- what goes wrong ---------------------------------------------------------------------------------------------------

DENIED = ("AccessDeniedException", "User: arn:aws:iam::1:user/ci is not authorized to perform: this")


@pytest.mark.parametrize("field", [None, "value"])
@pytest.mark.parametrize(
    ("action", "method"),
    [
        ("DescribeSecret", "probe"),
        ("GetSecretValue", "probe"),
        ("GetSecretValue", "read"),
        ("CreateSecret", "stage"),
        ("PutSecretValue", "stage"),
        ("UpdateSecretVersionStage", "publish"),
    ],
)
def test_a_missing_permission_is_named(moto: Moto, field: str | None, action: str, method: str) -> None:
    store = opened(secret_id=f"apps/denied-{field}-{action}-{method}", field=field)
    if method != "stage":
        store.stage({store.entry: THREE})
        store.publish({store.entry: Publication(THREE)})
    moto.refuse[action] = DENIED
    before = Publication(ONE, THREE.value)
    if method == "publish":
        with pytest.raises(StoreError) as caught:
            store.publish({store.entry: before})
        message = str(caught.value)
    else:
        message = refused(store, method)
    assert f"AWS refuses secretsmanager:{action}. The live value is as it was. AWS says: User:" in message
    assert "The IAM policy needs secretsmanager:DescribeSecret, secretsmanager:GetSecretValue" in message


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredTokenException", "the AWS credentials have expired"),
        ("UnrecognizedClientException", "AWS does not accept the credentials"),
        ("InvalidSignatureException", "the clock of this host"),
        ("LimitExceededException", "a quota is reached"),
        ("DecryptionFailure", "can't use the secret's KMS key"),
        ("ThrottlingException", "AWS let no request through"),
        ("InvalidRequestException", "AWS could not do secretsmanager:DescribeSecret (InvalidRequestException)"),
    ],
)
def test_what_aws_says_is_told_in_our_words(moto: Moto, code: str, said: str) -> None:
    moto.refuse["DescribeSecret"] = (code, "words that repeat what was sent")
    message = refused(opened(), "probe")
    assert said in message
    assert "repeat" not in message


def test_words_that_repeat_a_value_are_not_shown(moto: Moto) -> None:
    moto.refuse["PutSecretValue"] = ("AccessDeniedException", f"may not write {ONE.value}")
    assert "AWS says" not in refused(opened(secret_id="apps/echo"), "stage")
    moto.refuse["PutSecretValue"] = ("ValidationException", f"Value '{ONE.value}' at 'secretString' failed")
    assert "(ValidationException)" in refused(opened(secret_id="apps/echo"), "stage")


@pytest.mark.parametrize("field", [None, "value"])
def test_a_version_that_is_not_there_yet_is_no_empty_place(
    moto: Moto, monkeypatch: pytest.MonkeyPatch, field: str | None
) -> None:
    monkeypatch.setattr(aws_secretsmanager, "PAUSES", (0.0,))
    store = opened(field=field)
    store.publish({store.entry: Publication(THREE)})
    moto.refuse["GetSecretValue"] = ("ResourceNotFoundException", "")
    assert "has a label, and can't be found" in refused(store, "read")
    assert "has a label, and can't be found" in refused(store, "publish")


def test_a_secret_that_rotates_by_itself_is_refused(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    moto.client().create_secret(Name="apps/rotating", SecretString="theirs")
    secret = moto._secret({"SecretId": "apps/rotating"})
    secret.rotation_requested = secret.rotation_enabled = True
    assert "a rotation function of AWS changes its value by itself" in refused(
        opened(secret_id="apps/rotating"), "probe"
    )


def test_a_replica_is_refused(moto: Moto) -> None:
    arn = moto.client().create_secret(
        Name="apps/replicated", SecretString="theirs", AddReplicaRegions=[{"Region": "eu-west-1"}]
    )["ARN"]
    store = opened(secret_id=arn.replace(moto.REGION, "eu-west-1"))
    assert f"it is a replica of the secret in {moto.REGION}" in refused(store, "probe")


def test_an_arn_of_a_secret_that_does_not_exist_is_refused(moto: Moto) -> None:
    arn = f"arn:aws:secretsmanager:{moto.REGION}:123456789012:secret:nothing-AbCdEf"
    for method in ("probe", "stage", "publish"):
        assert "can't be created by an ARN" in refused(opened(secret_id=arn), method)


def test_an_arn_names_its_region(moto: Moto) -> None:
    arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:name-AbCdEf"
    store = opened(secret_id=arn)
    assert "us-west-2" in store.identity
    assert "us-west-2" in refused(store, "probe")


def test_a_secret_can_be_named_by_its_arn(moto: Moto) -> None:
    arn = moto.client().create_secret(Name="apps/by-arn", SecretString=THREE.value)["ARN"]
    store = opened(secret_id=arn)
    store.probe([""])
    store.stage({"": ONE})
    store.publish({"": Publication(ONE, THREE.value)})
    assert moto.client().get_secret_value(SecretId="apps/by-arn")["SecretString"] == ONE.value


def test_missing_credentials_are_told(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for method in METHODS:
        assert "there are no AWS credentials that can be used" in refused(opened(), method)


def test_a_missing_region_is_told(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "no AWS region is known" in refused(opened(), "probe")


def test_an_unknown_profile_is_told(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "has no such profile" in refused(opened(profile="nobody"), "probe")


def test_credentials_in_the_environment_come_before_its_profile(
    moto: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """As boto3 has it, and not as a profile that the store names."""
    (tmp_path / "credentials").write_text("[ours]\naws_access_key_id = profile\naws_secret_access_key = profile\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def key(store: Store) -> str:
        return str(store._client()._request_signer._credentials.access_key)  # type: ignore[attr-defined]

    assert key(opened(profile="ours")) == "profile"
    monkeypatch.setenv("AWS_PROFILE", "ours")
    assert key(opened()) == "testing"


def test_an_endpoint_where_nobody_listens_is_told(moto: Moto) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    message = refused(opened(endpoint_url=url, timeout=3), "read")
    assert "AWS's endpoint can't be reached" in message
    assert url in message


def test_an_endpoint_that_hangs_ends_with_the_timeout(moto: Moto) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        begin = time.monotonic()
        message = refused(opened(endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=1), "read")
    assert "does not answer in time (ReadTimeoutError)" in message
    assert time.monotonic() - begin < 8


def test_an_endpoint_that_is_none_is_told(moto: Moto) -> None:
    assert "Check the options of the store" in refused(opened(endpoint_url="nowhere"), "read")


def test_a_lost_answer_is_not_a_failure(moto: Moto) -> None:
    """boto3 sends the request again, and what it did the first time is not a conflict."""
    store = opened(secret_id="apps/lost", timeout=3)
    store.stage({"": ONE})
    slow = [1]

    def answer_late(action: str, parameters: dict[str, Any]) -> None:
        if action == "UpdateSecretVersionStage" and slow[0]:
            slow[0] -= 1
            moto.client().update_secret_version_stage(**parameters)
            time.sleep(2)

    moto.before = answer_late
    store.publish({"": Publication(ONE)})
    assert moto.client().get_secret_value(SecretId="apps/lost")["SecretString"] == ONE.value


def test_one_client_serves_a_task(moto: Moto) -> None:
    sessions = Sessions()
    for number in range(3):
        store = open_store(complete({"type": "aws_secretsmanager", "secret_id": f"apps/{number}"}), 10.0, sessions)
        store.read([""])
    assert len(sessions._found) == 1


@pytest.mark.parametrize("library", ["boto3", "botocore.exceptions"])
def test_a_missing_library_is_told_first(moto: Moto, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    for method in METHODS:
        message = refused(opened(), method)
        assert f"The Python library {library.split('.')[0]} is missing" in message
        assert "pip install boto3" in message
