# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""AWS Secrets Manager, through boto3.

A secret has versions, which never change, and labels, each of which is on one version at a time. Applications read the
version labelled ``AWSCURRENT``. Moving a label names the version that it is taken from, and fails where it is no longer
there: that is the check-and-set of everything here.

A *whole* secret is one value. Its slots are AWS's own: ``AWSPENDING``, ``AWSCURRENT``, ``AWSPREVIOUS``, the last of
which AWS moves by itself. The id of a version, which its writer chooses, names the key.

A secret with *fields* is a JSON object. One ``AWSPENDING`` can't serve several keys, and ``AWSPREVIOUS`` forgets the
value of one field when another one changes. So the pending and previous values of fields, with their ids, and those of
the live ones, are in a version of their own, the notes, labelled ``HONEYCOMB``. Applications see nothing of it, and
``AWSPENDING`` is not used.

What AWS does and its double in the tests does not, as far as it matters here:

- A version without a label is forgotten some day, but not within its first 24 hours: long enough to move a label to it.
- It keeps all versions of the last 24 hours, and refuses more at a quota (about 100). A change of fields makes two.
- What was written may not be seen at once by who reads. A stale answer can't do harm, since moving a label then fails.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import time
import typing as t
import uuid
from dataclasses import dataclass, field

from .libraries import library
from .store import (
    Held,
    Publication,
    Sessions,
    Slots,
    Store,
    StoreConflict,
    StoreError,
    fingerprint,
    id_note,
    noted_id,
    outgoing,
)

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
# On the version with the pending and previous values of fields.
NOTES = "HONEYCOMB"
# On a version that is about to get its real label. A version has to be made with one, or it becomes the current one.
NEXT = "HONEYCOMBNEXT"
# The first version of a secret becomes the current one whatever its label is, so the first one is this. It is binary:
# who reads the secret as a text gets none, as before.
PLACEHOLDER = b"No value has been published here yet."
ABOUT = "Kept by the Ansible collection community.honeycomb: values that are not live. Applications read AWSCURRENT."
# How often a write is tried when others write to the same secret. Each try means that somebody else was faster.
TRIES = 25
CONNECTIONS = 16
# A request is sent up to three times by boto3, all of them together within the timeout.
ATTEMPTS = 3
# Seconds between looks for what was just written.
PAUSES = (0.1, 0.3, 0.6, 1.0)
ACTIONS = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
_OWN_VERSION = re.compile(r"honeycomb-(?P<key_id>.+)-[0-9a-f]{12}")
_ARN = re.compile(r"arn:[^:]*:secretsmanager:(?P<region>[^:]*):[^:]*:secret:.+")

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN_CREDENTIALS = {
    "AuthFailure",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_THROTTLED = {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}


class AwsSecretsManagerStore(Store):
    """A secret of AWS Secrets Manager. See :class:`Store`."""

    type = "aws_secretsmanager"

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        super().__init__(options, timeout, sessions)
        self._name = str(options["secret_id"])
        self._region = _region(options)
        self._endpoint = str(options.get("endpoint_url") or "").rstrip("/")

    @property
    def entry(self) -> str:
        return str(self.options.get("field") or "")

    @property
    def identity(self) -> tuple[str, ...]:
        return (*self._connection, self._name)

    def place(self, entry: str) -> str:
        return f"field {entry} of {self._where}" if entry else self._where

    def probe(self, entries: t.Collection[str]) -> None:
        secret = self._secret()
        if secret.look().exists:
            secret.require_writable()
        elif _ARN.fullmatch(self._name):
            raise secret.not_by_arn()
        self._form(entries).read(entries)

    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        return self._form(entries).read(entries)

    def stage(self, values: t.Mapping[str, Held]) -> None:
        self._form(values).stage(values)

    def publish(self, values: t.Mapping[str, Publication]) -> None:
        self._form(values).publish(values)

    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        self._form(key_ids).settle(key_ids)

    @property
    def _where(self) -> str:
        region = f" in {self._region}" if self._region else ""
        endpoint = f" at {self._endpoint}" if self._endpoint else ""
        return f"secret {self._name}{region}{endpoint}"

    @property
    def _connection(self) -> tuple[str, ...]:
        return (self.type, self._endpoint, self._region, str(self.options.get("profile") or ""))

    def _form(self, entries: t.Collection[str]) -> _Whole | _Fields:
        """How the entries are kept."""
        secret = self._secret()
        if "" not in entries:
            return _Fields(secret, self.place)
        if len(set(entries)) > 1:
            raise StoreError(
                f"{self._where} is the place of one key as a whole, and of others with store.field. Nothing was "
                "written. Name a field for each of them, or another secret."
            )
        return _Whole(secret, self.place)

    def _secret(self) -> _Secret:
        _library("boto3")
        client = self.sessions.get(self._connection, self._client)
        return _Secret(client, self._name, self._where, self.options.get("kms_key_id"))

    def _client(self) -> t.Any:
        boto3, botocore = _library("boto3"), _library("botocore.exceptions")
        profile = self.options.get("profile")
        seconds = self.timeout / ATTEMPTS
        try:
            # A profile that the environment names is left to boto3: named by us, it would come before credentials
            # in the environment.
            session = boto3.session.Session(profile_name=None if profile == os.environ.get("AWS_PROFILE") else profile)
            return session.client(
                "secretsmanager",
                region_name=self._region or None,
                endpoint_url=self._endpoint or None,
                config=_library("botocore.config").Config(
                    connect_timeout=seconds,
                    read_timeout=seconds,
                    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                    max_pool_connections=CONNECTIONS,
                ),
            )
        except (botocore.BotoCoreError, ValueError) as exc:
            raise _not_sent(exc, self._where, "DescribeSecret") from None


# -- the secret and its versions ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _State:
    """What a secret looks like, without its values.

    :param labels: From each label to the id of its version.
    """

    exists: bool = False
    labels: dict[str, str] = field(default_factory=dict)


class _Secret:
    """The requests for one secret, with every failure as a :class:`StoreError`."""

    def __init__(self, client: t.Any, name: str, where: str, kms_key_id: str | None) -> None:
        self.where = where
        self._client = client
        self._name = name
        self._kms_key_id = kms_key_id
        self._answer: dict[str, t.Any] = {}
        # Versions never change.
        self._values: dict[str, str | None] = {}

    def look(self) -> _State:
        answer = self._described()
        if answer is None:
            return _State()
        self._answer = answer
        labels = {
            label: version for version, found in (answer.get("VersionIdsToStages") or {}).items() for label in found
        }
        return _State(True, labels)

    def require_writable(self) -> None:
        """Refuse a secret that somebody else writes to, as far as it told when it was looked at."""
        answer = self._answer
        primary, region = answer.get("PrimaryRegion"), self._client.meta.region_name
        if primary and primary != region:
            raise StoreError(
                f"{self.where} can't be written: it is a replica of the secret in {primary}. Nothing was written. "
                f"Set store.region to {primary}."
            )
        if answer.get("RotationEnabled") or answer.get("OwningService"):
            who = answer.get("OwningService") or "a rotation function of AWS"
            raise StoreError(
                f"{self.where} can't be written: {who} changes its value by itself. Nothing was written. Turn its "
                "rotation off, or name another secret."
            )

    def ready(self, first: str | bytes) -> _State:
        """The state of the secret, made if it does not exist, with a current version in any case.

        :param first: The content of the first version, where there is none.
        """
        state = self.look()
        if not state.exists:
            self._create(first)
        elif CURRENT not in state.labels:
            self.forget_next(self._put(first, NEXT, str(uuid.uuid4())))
        else:
            return state
        for pause in PAUSES:
            state = self.look()
            if CURRENT in state.labels:
                break
            time.sleep(pause)
        return state

    def value(self, version: str | None, may_be_empty: bool = False) -> str | None:
        """The content of a version; ``None`` where there is no version, or ours without a value.

        :param may_be_empty: Whether the version may have no content at all, as a rotation function of AWS makes them.
        """
        if version is None:
            return None
        if version not in self._values:
            self._values[version] = self._value(version, may_be_empty)
        return self._values[version]

    def add(self, content: str, label: str, key_id: str | None = None) -> str:
        """Make a version with a label, which is taken from any other one, and return its id.

        :param key_id: The key that its id is to name.
        """
        if key_id and len(key_id) <= 41:  # of 64 characters that AWS allows
            try:
                return self._put(content, label, f"honeycomb-{key_id}-{fingerprint(content)}")
            except _Exists:
                # With another content, though the fingerprint is in the id: somebody made it up.
                return self._put(content, label, f"honeycomb-{key_id}-{os.urandom(6).hex()}")
        return self._put(content, label, str(uuid.uuid4()))

    def replace(self, label: str, version: str | None, content: str) -> bool:
        """Make a version, and move a label to it. False where the label is no longer on ``version``."""
        new = self.add(content, NEXT)
        won = self.move(label, version, new)
        self.forget_next(new)
        return won

    def move(self, label: str, version: str | None, to: str | None) -> bool:
        """Take a label from a version, and put it on another one if one is named. False where it was not there."""
        if version == to:
            return True
        moves = {"RemoveFromVersionId": version, "MoveToVersionId": to}
        try:
            self._call("UpdateSecretVersionStage", VersionStage=label, **{k: v for k, v in moves.items() if v})
        except _Invalid:
            return False
        return True

    def forget_next(self, version: str) -> None:
        """Take our label off a version that has its real one. What is left of it, the next write takes."""
        try:
            self.move(NEXT, version, None)
        except StoreError:
            pass

    def not_by_arn(self) -> StoreError:
        return StoreError(
            f"{self.where} does not exist, and can't be created by an ARN. Nothing was written. "
            "Set store.secret_id to the name that it shall have."
        )

    # -- requests --------------------------------------------------------------------------------------------------

    def _described(self) -> dict[str, t.Any] | None:
        try:
            answer = self._call("DescribeSecret")
        except _NotFound:
            return None
        if answer.get("DeletedDate"):
            raise StoreError(
                f"{self.where} is scheduled for deletion, so its values can't be read or written. Nothing was written.",
                advice="Restore it with 'aws secretsmanager restore-secret', or name another secret.",
            )
        return dict(answer)

    def _value(self, version: str, may_be_empty: bool) -> str | None:
        for pause in (*PAUSES, 0.0):
            try:
                answer = self._call("GetSecretValue", VersionId=version)
                break
            except _NotFound:
                time.sleep(pause)  # made a moment ago, and not there yet for who reads
        else:
            if may_be_empty:
                return None
            raise StoreError(
                f"{self.where}: its version {version} has a label, and can't be found. The live value is as it was. "
                "Run the task again later."
            )
        if answer.get("SecretBinary") not in (None, PLACEHOLDER):
            raise StoreError(
                f"{self.where} holds binary data, which this collection does not touch. Nothing was written. "
                "Name another secret."
            )
        return answer.get("SecretString")

    def _create(self, first: str | bytes) -> None:
        if _ARN.fullmatch(self._name):
            raise self.not_by_arn()
        options = {"KmsKeyId": self._kms_key_id} if self._kms_key_id else {}
        try:
            self._call("CreateSecret", Name=self._name, **_content(first), **options)
        except _Exists:
            pass  # somebody else was faster

    def _put(self, content: str | bytes, label: str, version: str) -> str:
        for pause in PAUSES:
            try:
                answer = self._call(
                    "PutSecretValue", ClientRequestToken=version, VersionStages=[label], **_content(content)
                )
                break
            except _NotFound:
                time.sleep(pause)  # a secret that was created a moment ago
        else:
            raise StoreError(f"{self.where} does not exist any more. Nothing was written. Run the task again.")
        # Where the version was there already, with this content, AWS ignores the request and its label.
        for _number in range(TRIES):
            if label in (answer.get("VersionStages") or ()):
                return version
            labels = self.look().labels
            if self.move(label, labels.get(label), version):
                return version
        raise self.overtaken()

    def overtaken(self) -> StoreError:
        return StoreError(
            f"{self.where} is changed by others all the time: {TRIES} tries to write it came too late. The live value "
            "is as it was. Look who writes there, then run the task again."
        )

    def _call(self, action: str, **parameters: t.Any) -> dict[str, t.Any]:
        """One request. boto3's own exceptions may hold what was sent, so that they are never chained."""
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        if action != "CreateSecret":
            parameters["SecretId"] = self._name
        exceptions = _library("botocore.exceptions")
        try:
            return t.cast("dict[str, t.Any]", getattr(self._client, method)(**parameters))
        except exceptions.ClientError as exc:
            hidden = [value for name, value in parameters.items() if name in ("SecretString", "SecretBinary")]
            raise _answered(exc, self.where, action, [str(value) for value in hidden]) from None
        except exceptions.BotoCoreError as exc:
            raise _not_sent(exc, self.where, action) from None


# -- the two forms -----------------------------------------------------------------------------------------------------


class _Whole:
    """A secret that is one value. The methods are those of :class:`Store`."""

    def __init__(self, secret: _Secret, place: t.Callable[[str], str]) -> None:
        self._secret = secret
        self._place = place

    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        labels = self._secret.look().labels
        live = self._secret.value(labels.get(CURRENT))
        return {
            entry: Slots(
                live=live,
                pending=self._held(labels.get(PENDING)),
                previous=self._held(labels.get(PREVIOUS)),
                version=None if live is None else labels.get(CURRENT),
                live_id=None if live is None else _key_id(labels[CURRENT]),
            )
            for entry in entries
        }

    def stage(self, values: t.Mapping[str, Held]) -> None:
        [held] = values.values()
        state = self._secret.ready(PLACEHOLDER)
        if self._held(state.labels.get(PENDING)) != held:
            self._secret.add(held.value, PENDING, held.key_id)

    def publish(self, values: t.Mapping[str, Publication]) -> None:
        [(entry, publication)] = values.items()
        for _number in range(TRIES):
            state = self._secret.ready(PLACEHOLDER)
            current = state.labels.get(CURRENT)
            live = self._secret.value(current)
            if live == publication.new.value:
                return
            if live != publication.expected:
                raise _conflict(self._place(entry))
            if self._move(state, current, publication.new):
                return
            _step_aside()
        raise self._secret.overtaken()

    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        [key_id] = key_ids.values()
        pending = self._secret.look().labels.get(PENDING)
        if pending and _key_id(pending) == key_id:
            # Where it is no longer there, another run has staged another value.
            self._secret.move(PENDING, pending, None)

    def _move(self, state: _State, current: str | None, new: Held) -> bool:
        """Make a value the current one: by its version if it has one, or by a new one."""
        for label in (PENDING, PREVIOUS):
            version = state.labels.get(label)
            if version and self._secret.value(version) == new.value:
                return self._secret.move(CURRENT, current, version)
        version = self._secret.add(new.value, NEXT, new.key_id)
        won = self._secret.move(CURRENT, current, version)
        self._secret.forget_next(version)
        return won

    def _held(self, version: str | None) -> Held | None:
        value = self._secret.value(version, may_be_empty=True)
        return None if value is None or version is None else Held(value, _key_id(version))


class _Fields:
    """A secret whose fields are values. The methods are those of :class:`Store`."""

    def __init__(self, secret: _Secret, place: t.Callable[[str], str]) -> None:
        self._secret = secret
        self._place = place

    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        state = self._secret.look()
        document, notes = self._document(state), self._notes(state)
        found = {}
        for entry in entries:
            live, note = _text(document.get(entry)), notes.get(entry, {})
            # A run that died between its notes and its publication has noted a value that is live still.
            past = [held for held in map(_noted, note.get("previous", ())) if held]
            found[entry] = Slots(
                live=live,
                pending=_noted(note.get("pending")),
                previous=next((held for held in past if held.value != live), None),
                version=None if live is None else state.labels.get(CURRENT),
                live_id=noted_id(note.get("live_id"), live) or _id_of(live, past),
            )
        return found

    def stage(self, values: t.Mapping[str, Held]) -> None:
        def change(notes: dict[str, t.Any]) -> None:
            for entry, held in values.items():
                notes.setdefault(entry, {})["pending"] = _note(held)

        self._change_notes(change)

    def publish(self, values: t.Mapping[str, Publication]) -> None:
        for _number in range(TRIES):
            state = self._secret.ready("{}")
            document = self._document(state)
            live = {entry: _text(document.get(entry)) for entry in values}
            changes: dict[str, str] = {}
            for entry, publication in values.items():
                if live[entry] == publication.new.value:
                    continue
                if live[entry] != publication.expected:
                    raise _conflict(self._place(entry))
                changes[entry] = publication.new.value
            # First, so that no value is live whose predecessor nobody knows.
            self._remember(live, values)
            if not changes:
                return
            if self._secret.replace(CURRENT, state.labels.get(CURRENT), json.dumps({**document, **changes})):
                return
            _step_aside()
        raise self._secret.overtaken()

    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        def change(notes: dict[str, t.Any]) -> None:
            for entry, key_id in key_ids.items():
                pending = _noted(notes.get(entry, {}).get("pending"))
                if pending and pending.key_id == key_id:
                    del notes[entry]["pending"]

        if NOTES in self._secret.look().labels:
            self._change_notes(change)

    def _remember(self, live: t.Mapping[str, str | None], values: t.Mapping[str, Publication]) -> None:
        """Note values that are about to be replaced, and whose come instead.

        The one before is kept too, in case they are not replaced.
        """

        def change(notes: dict[str, t.Any]) -> None:
            for entry, publication in values.items():
                note, old = dict(notes.get(entry, {})), live[entry]
                if old is not None and old != publication.new.value:
                    past = [held for held in map(_noted, note.get("previous", ())) if held]
                    same = next((held for held in past if held.value == old), None)
                    held = outgoing(old, publication, note.get("live_id"), same)
                    note["previous"] = [_note(one) for one in (held, *past) if one is held or one.value != old][:2]
                text = id_note(publication.new)
                if text:
                    note["live_id"] = text
                if note:
                    notes[entry] = note

        self._change_notes(change)

    def _change_notes(self, change: t.Callable[[dict[str, t.Any]], None]) -> None:
        for _number in range(TRIES):
            state = self._secret.ready("{}")
            notes = self._notes(state)
            wanted = copy.deepcopy(notes)
            change(wanted)
            if wanted == notes:
                return
            content = json.dumps({"about": ABOUT, "fields": wanted})
            if self._secret.replace(NOTES, state.labels.get(NOTES), content):
                return
            _step_aside()
        raise self._secret.overtaken()

    def _notes(self, state: _State) -> dict[str, t.Any]:
        found = self._object(self._secret.value(state.labels.get(NOTES)), f"version labelled {NOTES}")
        fields = found.get("fields", {})
        return fields if isinstance(fields, dict) else {}

    def _document(self, state: _State) -> dict[str, t.Any]:
        return self._object(self._secret.value(state.labels.get(CURRENT)), "current version")

    def _object(self, text: str | None, which: str) -> dict[str, t.Any]:
        try:
            found = json.loads(text) if text is not None else {}
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        raise StoreError(
            f"{self._secret.where} has no fields: its {which} is not a JSON object. Nothing was written. "
            "Leave store.field out if the whole secret is the value, or name another secret."
        )


def _note(held: Held) -> dict[str, str | None]:
    return {"id": held.key_id, "value": held.value}


def _noted(note: t.Any) -> Held | None:
    if not isinstance(note, dict) or not note.get("value"):
        return None
    return Held(str(note["value"]), note.get("id"))


def _id_of(value: str | None, past: t.Iterable[Held]) -> str | None:
    """The key of a value that a run has noted as the previous one, and then died."""
    return next((held.key_id for held in past if held.value == value), None)


def _text(value: t.Any) -> str | None:
    """A field as text: others may have stored a number or more there."""
    if value in (None, ""):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _key_id(version: str) -> str | None:
    """The key that a version's id names; ``None`` for the versions of others."""
    match = _OWN_VERSION.fullmatch(version)
    return match.group("key_id") if match else None


def _content(content: str | bytes) -> dict[str, t.Any]:
    return {"SecretString": content} if isinstance(content, str) else {"SecretBinary": content}


def _step_aside() -> None:
    """So that two who write at the same time don't stay in step."""
    time.sleep(random.uniform(0, 0.1))


# -- options and messages ----------------------------------------------------------------------------------------------


def _region(options: t.Mapping[str, t.Any]) -> str:
    """The region of the secret: that of its ARN, or the one that is named; empty for what boto3 finds by itself."""
    arn = _ARN.fullmatch(str(options["secret_id"]))
    return arn.group("region") if arn else str(options.get("region") or "")


class _NotFound(StoreError):
    """There is no such secret, or no such version."""


class _Exists(StoreError):
    """There is such a secret, or such a version with another content."""


class _Invalid(StoreError):
    """A label is not where the request took it from."""


def _conflict(place: str) -> StoreConflict:
    return StoreConflict(
        f"{place}: another value is live than the one that was read, so somebody else changed it meanwhile. It was "
        "left as it is. Look who writes there, then run the task again."
    )


def _policy() -> str:
    actions = ", ".join(f"secretsmanager:{action}" for action in ACTIONS)
    return (
        f"The IAM policy needs {actions} on this secret, secretsmanager:CreateSecret where it does not exist yet, and "
        "kms:Decrypt and kms:GenerateDataKey where it has a KMS key of its own."
    )


def _state(action: str, unknown: bool) -> str:
    if action == "UpdateSecretVersionStage" and unknown:
        return "Whether the label was moved is not known."
    return "The live value is as it was."


def _answered(exc: t.Any, where: str, action: str, hidden: t.Collection[str]) -> StoreError:
    """The error for an answer of AWS that is one."""
    error = exc.response.get("Error", {})
    code, said = str(error.get("Code")), " ".join(str(error.get("Message") or "").split())
    if code == "ResourceNotFoundException":
        return _NotFound(f"{where} does not exist.")
    if code == "ResourceExistsException":
        return _Exists(f"{where} exists already.")
    if code == "InvalidParameterException" and action == "UpdateSecretVersionStage":
        return _Invalid(f"{where} was changed by somebody else.")
    state = _state(action, False)
    if exc.operation_name not in (None, action):
        return StoreError(
            f"{where}: AWS refuses {exc.operation_name}, by which credentials are to be had ({code}). {state}",
            advice="Check store.profile, and that the role may be assumed.",
        )
    if code in _DENIED:
        words = (
            f" AWS says: {said[:400].rstrip('.')}."
            if said and not any(text and text in said for text in hidden)
            else ""
        )
        return StoreError(f"{where}: AWS refuses secretsmanager:{action}. {state}{words}", advice=_policy())
    if code in _EXPIRED:
        return StoreError(
            f"{where}: the AWS credentials have expired. {state}", advice="Log in again, then run the task again."
        )
    if code in _UNKNOWN_CREDENTIALS:
        return StoreError(
            f"{where}: AWS does not accept the credentials ({code}). {state}",
            advice="Check the credentials, store.profile, and that the clock of this host is right.",
        )
    if code in _THROTTLED:
        return StoreError(
            f"{where}: AWS let no request through ({code}), {ATTEMPTS} times. {state}",
            advice="Run the task again later, or set concurrency lower.",
        )
    if code == "LimitExceededException":
        return StoreError(
            f"{where}: AWS refuses secretsmanager:{action}, since a quota is reached: of versions in 24 hours, of "
            f"labels, or of secrets. {state}",
            advice="Change many fields of one secret in one task rather than in many, or wait for a day.",
        )
    if code in ("DecryptionFailure", "EncryptionFailure") or code.startswith("KMS"):
        return StoreError(
            f"{where}: AWS can't use the secret's KMS key ({code}). {state}",
            advice="See that the key is enabled, and that the policy allows kms:Decrypt and kms:GenerateDataKey.",
        )
    # Its words are not shown: for what it finds invalid, AWS repeats what was sent.
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
    return StoreError(
        f"{where}: AWS could not do secretsmanager:{action} ({code}). {_state(action, status >= 500)}",
        advice="Check store.secret_id, store.region and store.kms_key_id, then run the task again.",
    )


def _not_sent(exc: Exception, where: str, action: str) -> StoreError:
    """The error for a request without an answer."""
    found = _library("botocore.exceptions")
    name = type(exc).__name__
    state = _state(action, False)
    if isinstance(exc, found.NoRegionError):
        return StoreError(
            f"{where}: no AWS region is known. {state}", advice="Set store.region, or the variable AWS_REGION."
        )
    if isinstance(exc, found.ProfileNotFound):
        return StoreError(
            f"{where}: AWS's configuration on this host has no such profile. {state}", advice="Check store.profile."
        )
    no_credentials = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError")
    if name in no_credentials or "Token" in name or "SSO" in name or "Login" in name:
        return StoreError(
            f"{where}: there are no AWS credentials that can be used ({name}). {state}",
            advice="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with store.profile, log in with "
            "'aws sso login', or run this where a role is attached.",
        )
    if isinstance(exc, found.SSLError):
        return StoreError(
            f"{where}: the certificate of AWS's endpoint is not trusted, or TLS failed. {state}",
            advice="Check store.endpoint_url, and AWS_CA_BUNDLE where a proxy is in between.",
        )
    if isinstance(exc, (found.HTTPClientError, found.ConnectionError)):
        unknown = not isinstance(exc, (found.EndpointConnectionError, found.ConnectTimeoutError))
        return StoreError(
            f"{where}: AWS's endpoint can't be reached, or does not answer in time ({name}). {_state(action, unknown)}",
            advice="Check store.region, store.endpoint_url and the network, then run the task again: it goes on from "
            "where this one stopped.",
        )
    return StoreError(
        f"{where}: secretsmanager:{action} can't be asked for ({name}). {state}",
        advice="Check the options of the store and AWS's configuration on this host.",
    )


def _library(name: str) -> t.Any:
    return library(name, AwsSecretsManagerStore.type, "boto3")
