# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The store ``kubernetes``: fields of a Secret."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import time
import typing as t
from dataclasses import dataclass, field

from .._errors import InputError
from .libraries import library
from .store import Held, Publication, Sessions, Slots, Store, StoreError, id_note, noted_id, outgoing
from .telling import tell
from .texts import conflict, read_held, write_held

_OWN = "-honeycomb"
_PENDING, _PREVIOUS, _LIVE_ID = ".pending", ".previous", ".live_id"
# As the API checks them
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_FIELD = re.compile(r"[-._a-zA-Z0-9]+")
_LONGEST = 253
# How often a change is tried while others change the same Secret, and at most how many seconds apart
_TRIES = 20
_PAUSE = 0.1
_DEFAULT_CONFIG = "~/.kube/config"

_Texts = t.Mapping[str, t.Optional[str]]


@dataclass(frozen=True)
class _Secret:
    """A Secret as it was read.

    :param data: Its fields, in base64.
    """

    version: str
    data: dict[str, str] = field(repr=False)
    immutable: bool

    def text(self, key: str) -> str | None:
        """A field as text.

        :raises UnicodeDecodeError: It is none.
        """
        return base64.b64decode(self.data[key]).decode() if key in self.data else None

    def note(self, key: str) -> str | None:
        """A field of ours."""
        try:
            return self.text(key)
        except UnicodeDecodeError:
            return None

    def held(self, key: str) -> Held | None:
        """A field of ours with a value."""
        return read_held(self.note(key))


_NONE = _Secret("", {}, False)


class _Refused(Exception):
    """The API answered with an error.

    :param said: A sentence about why, or nothing.
    """

    def __init__(self, status: int, said: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.said = said


class KubernetesStore(Store):
    """A Secret is a container, its fields are the entries.

    The pending and the previous values are in a Secret of our own beside it, ``SECRET-honeycomb``, in the fields
    ``FIELD.pending`` and ``FIELD.previous``: whoever mounts the Secret, or has its fields as environment variables,
    must not get them; and ``kubectl describe`` would show annotations. ``FIELD.live_id`` there tells whose value is
    live, see ``id_note`` in ``store.py``.

    Each change carries the resource version that was read, and is tried anew where somebody else was faster. It names
    the changed fields only, so everything else in a Secret stays as it is. The version of a value is the resource
    version of its Secret.
    """

    type = "kubernetes"

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        super().__init__(options, timeout, sessions)
        self._namespace, self._name = str(options["namespace"]), str(options["secret"])
        self._own = self._name + _OWN
        self._config, self._context = str(options.get("kubeconfig") or ""), str(options.get("context") or "")
        _check("namespace", self._namespace, _NAME, _LONGEST)
        _check("secret", self._name, _NAME, _LONGEST - len(_OWN))
        _check("field", self.entry, _FIELD, _LONGEST - len(_PREVIOUS))

    @property
    def entry(self) -> str:
        return str(self.options["field"])

    @property
    def identity(self) -> tuple[str, ...]:
        # Which server it is would have to be read from the configuration. Two names of one server do no harm: whoever
        # writes at the same time is noticed by the resource version.
        paths = [os.path.abspath(os.path.expanduser(path)) for path in self._config.split(os.pathsep) if path]
        return ("kubernetes", os.pathsep.join(paths), self._context, self._namespace, self._name)

    def place(self, entry: str) -> str:
        return f"the field {entry} of the Secret {self._namespace}/{self._name}"

    def probe(self, entries: t.Collection[str]) -> None:
        self.read(entries)
        for name in (self._name, self._own):
            found = self._get(name)
            if found.immutable:
                raise self._is_immutable(name)
            if found is _NONE:
                self._review("create", name)
                # Only an attempt tells whether the namespace exists. The API keeps nothing of it.
                self._create(name, {}, attempt=True)
            self._review("patch", name)

    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        # In this order: whoever publishes and settles meanwhile leaves the new value in what is read later.
        own, live = self._get(self._own), self._get(self._name)
        slots = {}
        for entry in entries:
            value = self._live(live, entry)
            slots[entry] = Slots(
                live=value,
                pending=own.held(entry + _PENDING),
                previous=own.held(entry + _PREVIOUS),
                version=live.version or None,
                live_id=noted_id(own.note(entry + _LIVE_ID), value),
            )
        return slots

    def stage(self, values: t.Mapping[str, Held]) -> None:
        self._change(self._own, lambda _: {entry + _PENDING: write_held(held) for entry, held in values.items()})

    def publish(self, values: t.Mapping[str, Publication]) -> None:
        due, own = self._due(self._get(self._name), values), self._get(self._own)
        # What stands in one slot only must not be overwritten first: a run may die in between.
        previous = {entry: own.held(entry + _PREVIOUS) for entry in due}
        returning = {entry for entry, held in previous.items() if held and held.value == due[entry].new.value}
        self._keep({entry: one for entry, one in values.items() if entry not in returning}, due)
        if due:
            self._change(self._name, lambda found: {e: one.new.value for e, one in self._due(found, values).items()})
        self._keep({entry: one for entry, one in values.items() if entry in returning}, due)

    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        def emptied(own: _Secret) -> _Texts:
            slots = {entry: own.held(entry + _PENDING) for entry in key_ids}
            return {entry + _PENDING: None for entry, held in slots.items() if held and held.key_id == key_ids[entry]}

        self._change(self._own, emptied)

    # -- values --------------------------------------------------------------------------------------------------------

    def _live(self, found: _Secret, entry: str) -> str | None:
        try:
            return found.text(entry) or None
        except UnicodeDecodeError:
            raise StoreError(
                f"{self.place(entry)} is no text in UTF-8.", advice="See what is in it, or name another field."
            ) from None

    def _due(self, found: _Secret, values: t.Mapping[str, Publication]) -> dict[str, Publication]:
        """Those that are not live yet.

        :raises StoreConflict: Another value is live than expected.
        """
        due = {}
        for entry, publication in values.items():
            live = self._live(found, entry)
            if live == publication.new.value:
                continue
            if live != publication.expected:
                raise conflict(self.place(entry))
            due[entry] = publication
        return due

    def _keep(self, values: t.Mapping[str, Publication], due: t.Collection[str]) -> None:
        """Fill the previous slots of those that are due, and note whose values all of them are."""

        def kept(own: _Secret) -> _Texts:
            texts: dict[str, str | None] = {}
            for entry, publication in values.items():
                note, previous = own.note(entry + _LIVE_ID), own.held(entry + _PREVIOUS)
                if entry in due and publication.expected:
                    held = outgoing(publication.expected, publication, note, previous)
                    texts[entry + _PREVIOUS] = write_held(held)
                texts[entry + _LIVE_ID] = id_note(publication.new) or note
            return {key: text for key, text in texts.items() if text != own.note(key)}

        if values:
            self._change(self._own, kept)

    def _change(self, name: str, decide: t.Callable[[_Secret], _Texts]) -> None:
        """Change fields of a Secret, as decided from what it holds. ``None`` takes a field away."""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(random.uniform(0, _PAUSE))
            found = self._get(name)
            texts = decide(found)
            if not texts or (self._create(name, texts) if found is _NONE else self._patch(name, found, texts)):
                return
        raise StoreError(
            f"{self._what(name)} was changed by somebody else each of the {_TRIES} times that this task tried to. "
            "This task has changed nothing in it.",
            advice="Find out what changes it all the time, then run the task again.",
        )

    # -- requests ------------------------------------------------------------------------------------------------------

    def _get(self, name: str) -> _Secret:
        try:
            found = self._call("read_namespaced_secret", name, self._namespace)
        except _Refused as exc:
            if exc.status == 404:
                return _NONE
            raise self._failed("get", name, exc) from None
        return _Secret(found.metadata.resource_version, dict(found.data or {}), bool(found.immutable))

    def _create(self, name: str, texts: _Texts, attempt: bool = False) -> bool:
        """Whether it was created; not so where somebody else has just done it.

        :param attempt: Only find out whether the namespace is there, and whether this login may do it.
        """
        metadata: dict[str, t.Any] = {"name": name, "namespace": self._namespace}
        if name == self._own:
            metadata["labels"] = {"app.kubernetes.io/managed-by": "community.honeycomb"}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": _encoded(texts)}
        how = {"dry_run": "All"} if attempt else {}
        try:
            self._call("create_namespaced_secret", self._namespace, body, texts=texts, **how)
        except _Refused as exc:
            if exc.status == 409:
                return False
            if exc.status == 404:
                raise StoreError(
                    f"The namespace {self._namespace} does not exist, so there can't be a Secret {name} in it.",
                    advice="Create the namespace, or correct store.namespace.",
                ) from None
            # Some clusters have parts that refuse attempts as such.
            if not attempt or exc.status in (401, 403):
                raise self._failed("create", name, exc) from None
        return True

    def _patch(self, name: str, found: _Secret, texts: _Texts) -> bool:
        """Whether it was changed; not so where somebody else has changed it since it was read."""
        if found.immutable:
            raise self._is_immutable(name)
        body = {"metadata": {"resourceVersion": found.version}, "data": _encoded(texts)}
        try:
            self._call("patch_namespaced_secret", name, self._namespace, body, texts=texts)
        except _Refused as exc:
            if exc.status in (404, 409):
                return False
            raise self._failed("patch", name, exc) from None
        return True

    def _review(self, verb: str, name: str) -> None:
        """Ask whether this login may do something. Where the API does not tell, the attempt will."""
        attributes = {"namespace": self._namespace, "verb": verb, "resource": "secrets"}
        if verb != "create":  # which no rule can allow for a name alone
            attributes["name"] = name
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            review = self._call("create_self_subject_access_review", body, api="AuthorizationV1Api")
        except _Refused:
            return
        if not review.status.allowed:
            raise self._failed(verb, name, _Refused(403))

    def _call(
        self, method: str, *arguments: t.Any, api: str = "CoreV1Api", texts: _Texts | None = None, **how: t.Any
    ) -> t.Any:
        """One request.

        :param api: The part of the client that has the method.
        :param texts: What the request writes, so that no message tells it.
        :raises _Refused: The API answered with an error.
        """
        connection = self.sessions.get(("kubernetes", self._config, self._context), self._connect)
        from kubernetes import client
        from urllib3.exceptions import HTTPError

        values = [text for text in (texts or {}).values() if text]
        try:
            return getattr(getattr(client, api)(connection), method)(*arguments, _request_timeout=self.timeout, **how)
        except client.ApiException as exc:
            if exc.status:
                raise _Refused(exc.status, tell(_message(exc.body), values)) from None
            reason = str(exc.reason)
        except (HTTPError, OSError) as exc:
            reason = str(exc)
        except (ValueError, TypeError, AttributeError):
            # The words of such an exception hold what could not be read.
            reason = "its answer is none of the Kubernetes API"
        state = f" Whether the Secret {self._namespace}/{self._name} was changed can't be told." if values else ""
        raise StoreError(
            f"{self.place(self.entry)}: the Kubernetes API at {connection.configuration.host} gave no answer. "
            f"{tell(reason, values)}{state}",
            advice="Check the address in the kubeconfig and the network, then run the task again.",
        )

    def _connect(self) -> t.Any:
        library("kubernetes", self.type)
        from kubernetes import client, config

        loading: t.Any = config  # a part of the client without types
        settings = client.Configuration()
        settings.retries = False  # the timeout holds for one attempt
        from_file = self._config or self._context or os.path.exists(os.path.expanduser(_DEFAULT_CONFIG))
        try:
            if from_file:
                loading.load_kube_config(self._config or None, self._context or None, client_configuration=settings)
            else:
                loading.load_incluster_config(client_configuration=settings)
        except Exception as exc:  # those of the client, of YAML, of files, and of programs that provide a login
            where = f"kubeconfig {self._config or _DEFAULT_CONFIG}" if from_file else "service account of this pod"
            raise StoreError(
                f"The {where} can't be used for a store of type kubernetes. {tell(str(exc))}",
                advice="Set store.kubeconfig or KUBECONFIG, and store.context if it is not the current one.",
            ) from None
        return client.ApiClient(settings)

    # -- messages ------------------------------------------------------------------------------------------------------

    def _what(self, name: str) -> str:
        return f"The Secret {self._namespace}/{name}"

    def _is_immutable(self, name: str) -> StoreError:
        return StoreError(
            f"{self._what(name)} is immutable: the API refuses every change of it. Nothing was changed.",
            advice="Replace it by one without immutable: true, or name another Secret.",
        )

    def _failed(self, verb: str, name: str, refused: _Refused) -> StoreError:
        what = f"the Secret {self._namespace}/{name}"
        state = "Nothing was changed." if refused.status < 500 else "Whether it was changed can't be told."
        if refused.status == 401:
            return StoreError(
                f"The Kubernetes API does not accept the login that should {verb} {what}. {state}",
                advice="Check the user of the kubeconfig's context, or the token of the service account.",
            )
        if refused.status == 403:
            return StoreError(
                " ".join(filter(None, [f"The login must not {verb} {what}.", refused.said, state])),
                advice="It needs a Role with the verbs get, create and patch on secrets in this namespace. get and "
                f"patch may be limited to the names {self._name} and {self._own}.",
            )
        return StoreError(
            f"The Kubernetes API did not {verb} {what}: status {refused.status}. {refused.said} {state}",
            advice="Once this is put right, run the task again.",
        )


def _check(option: str, name: str, pattern: re.Pattern[str], most: int) -> None:
    if not pattern.fullmatch(name) or len(name) > most or name == "." or name.startswith(".."):
        signs = "lower-case letters, digits, - and ." if pattern is _NAME else "letters, digits, -, _ and ."
        raise InputError(
            f"store.{option}: {name!r} can't be the name of a {option} in Kubernetes. It may have {signs}, and at most "
            f"{most} characters."
        )


def _encoded(texts: _Texts) -> dict[str, str | None]:
    return {key: None if text is None else base64.b64encode(text.encode()).decode() for key, text in texts.items()}


def _message(body: t.Any) -> str:
    """What the API says in the field for it. Nothing else of an answer may be told."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, TypeError, KeyError):
        return ""
