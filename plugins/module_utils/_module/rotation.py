# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The phases of a rotation: carrying out what C(_rotation.py) decides, for one key or many at once."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .._api.client import Client, ValueCheck, check_value
from .._api.resources import ApiKey, CreatedKey, Environment, full_permissions
from .._environments.lookup import Environments
from .._errors import AnswerLost, HoneycombError, InputError, ServiceUnreachable
from .._keys.create import create_once
from .._keys.generations import Marks, generation_row
from .._parallel import in_parallel
from .._rotation.decisions import (
    Assessment,
    Policy,
    Step,
    assess,
    lost_race,
    plan_promotion,
    plan_restore,
    plan_retire,
    shelve,
)
from .._time import describe_seconds, format_timestamp, parse_duration, parse_timestamp
from .base import HoneycombModule

_CONCURRENCY = 8
# What a role passes through the stage phase, to find it again.
CARRIED_OPTIONS = ("store_tasks", "deploy_tasks", "verify_tasks")
# Between two looks at whether a value is accepted yet; seconds.
_POLL = (0.2, 3.0)


@dataclass(frozen=True)
class Job:
    """One key to rotate."""

    name: str
    key_type: str
    environment: Environment
    policy: Policy
    carried: dict[str, str | None]

    @property
    def label(self) -> str:
        return f"{self.key_type} key {self.name!r} of {self.environment.label}"

    def generations_in(self, listing: t.Iterable[ApiKey]) -> list[ApiKey]:
        """The part of a listing that this job's generations can be in."""
        return [key for key in listing if (key.key_type, key.environment_id) == (self.key_type, self.environment.id)]


class Rotation:
    """One task of C(honeycomb_api_key_rotation)."""

    def __init__(self, module: HoneycombModule) -> None:
        self.module = module
        self.params = module.params
        words = module.params["marks"] or {}
        self.marks = Marks(**{name: word for name, word in words.items() if word is not None})
        self.marks.check()
        self.client: Client = module.client(connections=_CONCURRENCY)
        self.environments = Environments(self.client)

    # -- what is there ---------------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """The keys that the task names, checked before any request about keys."""
        entries = [
            {name: self.params.get(name) if value is None else value for name, value in entry.items()}
            for entry in self.params["rotations"]
        ]
        for index, entry in enumerate(entries):
            self.marks.check_base(entry["name"])
            for option in ("key_type", "environment"):
                if not entry[option]:
                    raise InputError(
                        f"rotations[{index}] ({entry['name']}): {option} is missing. Give it there, or for all keys."
                    )
        policies = [_policy(entry) for entry in entries]
        jobs = [
            Job(
                name=entry["name"],
                key_type=entry["key_type"],
                environment=self.environments.resolve(entry["environment"]),
                policy=policy,
                carried={name: entry[name] for name in CARRIED_OPTIONS},
            )
            for entry, policy in zip(entries, policies)
        ]
        seen: set[tuple[str, str, str]] = set()
        for job in jobs:
            identity = (job.name, job.key_type, job.environment.id)
            if identity in seen:
                raise InputError(f"rotations: the {job.label} is named twice. Nothing was done; name it once.")
            seen.add(identity)
        return jobs

    def listing(self, jobs: t.Sequence[Job]) -> list[ApiKey]:
        """The team's keys, of one type where that is enough."""
        types = {job.key_type for job in jobs}
        return self.client.list_keys(types.pop() if len(types) == 1 else None)

    def now(self) -> datetime:
        return self.client.transport.now()

    def assess(self, jobs: t.Sequence[Job], listing: t.Sequence[ApiKey]) -> list[Assessment]:
        now = self.now()
        return [assess(job.name, job.generations_in(listing), now, job.policy, self.marks) for job in jobs]

    # -- phases ----------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, t.Any]:
        """What there is and what comes next. Writes nothing."""
        jobs = self.jobs()
        states = self.assess(jobs, self.listing(jobs))
        return {"changed": False, **self.report(jobs, states)}

    def stage(self) -> dict[str, t.Any]:
        """Take the steps that are due, and create a disabled, pending key for each key that is due."""
        jobs = self.jobs()
        listing = self.listing(jobs)
        states = self.assess(jobs, listing)
        told = self.report(jobs, states)
        before = {str(key.id): _line(key) for state in states for key in (entry.key for entry in state.generations)}
        changed = any(state.steps or state.due for state in states)
        if self.module.check_mode or not changed:
            after = dict(before)
            for job, state in zip(jobs, states):
                _predict(after, state.steps)
                if state.due:
                    after[f"new key of {job.name}"] = f"{self.marks.pending_name(job.name)} (disabled)"
            return {"changed": changed, "staged": [], "diff": {"before": before, "after": after}, **told}
        listing, states = self._take_steps(jobs, states, listing)
        due = [(job, state) for job, state in zip(jobs, states) if state.due]
        ids = {str(key.id) for key in listing}
        created = in_parallel(lambda pair: self._create(pair[0], pair[1], ids), due, _CONCURRENCY)
        made = [entry for entry in created if isinstance(entry, CreatedKey)]
        failures = [entry for entry in created if isinstance(entry, HoneycombError)]
        try:
            latest = self._elect(due, created, ids) if made else listing
        except HoneycombError as exc:
            failures.append(exc)
        if failures:
            self._discard(
                [(job, entry.key) for (job, _state), entry in zip(due, created) if isinstance(entry, CreatedKey)]
            )
            raise failures[0]
        self.module.hand_back(made)
        staged = [self._staged(jobs.index(job), job, state, entry) for (job, state), entry in zip(due, created)]
        after = {
            str(key.id): _line(key)
            for job in jobs
            for key in job.generations_in(latest)
            if key.id in before or any(key.id == entry["new_id"] for entry in staged)
        }
        return {"changed": True, "staged": staged, "diff": {"before": before, "after": after}, **told}

    def activate(self) -> dict[str, t.Any]:
        """Enable each staged key and wait until the service accepts its value, as the right key."""
        entries = self.params["staged"]
        if self.module.check_mode:
            return {"changed": bool(entries)}
        errors = [error for error in in_parallel(self._activate, entries, _CONCURRENCY) if error]
        if errors:
            raise errors[0]
        return {"changed": bool(entries)}

    def promote(self) -> dict[str, t.Any]:
        """Make each deployed key the current one, and disable what it replaces where there is no overlap."""
        entries = self.params["staged"]
        if self.module.check_mode:
            return {"changed": bool(entries), "promoted": []}
        results = in_parallel(self._promote, entries, _CONCURRENCY)
        errors = [result for result in results if isinstance(result, HoneycombError)]
        if errors:
            raise errors[0]
        return {
            "changed": any(result["steps"] for result in results if isinstance(result, dict)),
            "promoted": results,
            "report": [line for result in results if isinstance(result, dict) for line in result["report"]],
        }

    def restore(self) -> dict[str, t.Any]:
        """Enable the newest retired generation of each key at once."""
        return self._by_hand(
            lambda state: [step for step in [plan_restore(state, self.now(), self.marks, self.params["id"])] if step]
        )

    def retire(self) -> dict[str, t.Any]:
        """Let go of restored generations."""
        return self._by_hand(lambda state: plan_retire(state, self.now(), self.marks))

    # -- parts of phases -------------------------------------------------------------------------------------------

    def _by_hand(self, decide: t.Callable[[Assessment], list[Step]]) -> dict[str, t.Any]:
        jobs = self.jobs()
        listing = self.listing(jobs)
        states = self.assess(jobs, listing)
        steps = [step for state in states for step in decide(state)]
        before = {str(step.key.id): _line(step.key) for step in steps}
        after = dict(before)
        _predict(after, steps)
        if not self.module.check_mode:
            for step in steps:
                listing = self._take(step, listing)
            states = self.assess(jobs, listing)
        told = self.report(jobs, states)
        return {"changed": bool(steps), "diff": {"before": before, "after": after}, **told}

    def _take(self, step: Step, listing: t.Sequence[ApiKey]) -> list[ApiKey]:
        """Carry out a step; return the listing as it is then."""
        rest = [key for key in listing if key.id != step.key.id]
        if step.action == "delete":
            # Nobody may have enabled it since the listing: look once more at what can't be undone.
            found = self.client.get_key(str(step.key.id))
            if found is None:
                return rest
            if not found.disabled or found.name != step.key.name:
                return [*rest, found]
            self.client.delete_key(str(step.key.id))
            return rest
        return [*rest, self.client.update_key(str(step.key.id), step.changes)]

    def _take_steps(
        self, jobs: t.Sequence[Job], states: list[Assessment], listing: list[ApiKey]
    ) -> tuple[list[ApiKey], list[Assessment]]:
        """Take the steps that are due, and those that become due by them. What is due for a new key stays as decided."""
        for _round in range(3):
            steps = [step for state in states for step in state.steps]
            if not steps:
                break
            results = in_parallel(lambda step: self._take(step, [step.key]), steps, _CONCURRENCY)
            touched = {step.key.id for step in steps}
            listing = [key for key in listing if key.id not in touched] + [key for result in results for key in result]
            fresh = self.assess(jobs, listing)
            # A run that finished the promotion of an earlier one has done its rotation.
            resumed = [
                any(step.changes.get("name") == job.name for step in state.steps) for job, state in zip(jobs, states)
            ]
            states = [replace(new, due=new.due and not finished) for new, finished in zip(fresh, resumed)]
        return listing, states

    def _create(self, job: Job, state: Assessment, before: t.Collection[str]) -> CreatedKey | HoneycombError:
        source = (state.current or max(state.generations, key=lambda entry: entry.key.order)).key
        wanted = ApiKey(
            id=None,
            name=self.marks.pending_name(job.name),
            key_type=job.key_type,
            environment_id=job.environment.id,
            disabled=True,
            permissions={name: True for name, granted in full_permissions(source).items() if granted},
        )

        def discard(key: ApiKey) -> None:
            step = shelve(job.name, key, self.now(), self.marks, "its secret was lost")
            self.client.update_key(str(key.id), step.changes)

        try:
            return create_once(self.client, wanted, before, discard)
        except HoneycombError as exc:
            return exc

    def _elect(
        self,
        due: t.Sequence[tuple[Job, Assessment]],
        created: t.Sequence[CreatedKey | HoneycombError],
        before: t.Collection[str],
    ) -> list[ApiKey]:
        """Let one of several runs at the same moment go on: the one whose key is the oldest.

        The times of keys have whole seconds, so the listing waits until ours has passed; then every run sees the same order.
        """
        youngest = max(
            parse_timestamp(entry.key.created_at) or self.now() for entry in created if isinstance(entry, CreatedKey)
        )
        wait = (youngest + timedelta(seconds=1.1) - self.now()).total_seconds()
        reason = "other runs that may have started at the same moment"
        self.client.transport.budget.wait(min(max(wait, 0.0), 3.0), reason, expected=True)
        listing = self.listing([job for job, _state in due])
        for (job, state), entry in zip(due, created):
            if isinstance(entry, CreatedKey):
                old_id = state.current.key.id if state.current else None
                lost = lost_race(job.name, entry.key, old_id, before, job.generations_in(listing), self.marks)
                if lost:
                    raise HoneycombError(
                        f"Not rotating the {job.label}: {lost}. This run stops; nothing of it is left enabled."
                    )
        return listing

    def _discard(self, made: t.Sequence[tuple[Job, ApiKey]]) -> None:
        """Shelve keys that this run created and will not use. The next run does it where this fails."""
        for job, key in made:
            step = shelve(job.name, key, self.now(), self.marks, "not used")
            try:
                self.client.update_key(str(key.id), step.changes)
            except HoneycombError as exc:
                self.module.ansible.warn(
                    f"Key {key.id} (disabled, unused) could not be shelved; the next run does it. {exc.message}"
                )

    def _staged(self, position: int, job: Job, state: Assessment, created: CreatedKey) -> dict[str, t.Any]:
        return {
            "position": position,
            "name": job.name,
            "key_type": job.key_type,
            "environment": job.environment.id,
            "environment_slug": job.environment.slug,
            "overlap": f"{int(job.policy.overlap.total_seconds())}s",
            "old_id": state.current.key.id if state.current else None,
            # What unfinished runs left enabled: pending keys, and those that a promotion had begun to retire.
            "stale_ids": [entry.key.id for kind in ("pending", "retired") for entry in state.of(kind) if entry.enabled],
            "new_id": created.key.id,
            "key": created.value,
            **job.carried,
        }

    def _activate(self, entry: dict[str, t.Any]) -> HoneycombError | None:
        key_id, name = entry["new_id"], entry["name"]
        try:
            key = self.client.update_key(key_id, {"disabled": False})
            if key.name not in (self.marks.pending_name(name), name):
                self.client.update_key(key_id, {"disabled": True})
                raise HoneycombError(
                    f"Key {key_id}, the new {name!r}, was taken over by another run or a person: it is called {key.name!r}. It was "
                    "disabled again, the old key is unchanged. Run the rotation again."
                )
            self._verify(entry)
        except HoneycombError as exc:
            return exc
        return None

    def _verify(self, entry: dict[str, t.Any]) -> None:
        """Wait until the value is accepted as the key that it should be."""

        def accepted(check: ValueCheck | None) -> bool:
            wrong = self._mismatch(check, entry) if check else None
            if wrong:
                self.client.update_key(entry["new_id"], {"disabled": True})
                raise HoneycombError(
                    f"The value of key {entry['new_id']}, the new {entry['name']!r}, is accepted, but {wrong}. The key was disabled "
                    "again, the old one is unchanged. Check team, environment and key_type."
                )
            return check is not None

        trouble = self._poll(entry["key"], accepted, "a new key to be accepted")
        if trouble is not None:
            raise HoneycombError(
                f"The value of key {entry['new_id']}, the new {entry['name']!r}, was not accepted within {self.params['verify_time']}"
                f"{trouble}. The old key is unchanged; the next run starts afresh. Check api_url, or raise verify_time."
            )

    def _verify_refused(self, entry: dict[str, t.Any]) -> None:
        """Wait until the value of the disabled key is refused, where the user has told it."""
        # By position: up to ansible-core 2.21, a value that came in as a secret can't come back in a result.
        value = dict(enumerate(self.params["old_keys"] or [])).get(entry["position"])
        if (
            not value
            or (entry["key_type"] == "ingest" and not value.startswith(entry["old_id"]))
            or value == entry["key"]
        ):
            return
        trouble = self._poll(value, lambda check: check is None, "a disabled key to be refused")
        if trouble is not None:
            raise HoneycombError(
                f"Key {entry['old_id']}, the old {entry['name']!r}, is disabled, but after {self.params['verify_time']} its value is "
                f"still accepted{trouble}. The new key {entry['new_id']} is the current one, and deployed. Check old_key, and look "
                "again later."
            )

    def _poll(self, value: str, done: t.Callable[[ValueCheck | None], bool], reason: str) -> str | None:
        """Ask about a value until the answer will do; C(None), or after C(verify_time) what was in the way.

        How fast the service spreads a change is not documented, hence the polling.
        """
        transport = self.client.transport
        clock = transport.budget.clock
        deadline = clock() + parse_duration(self.params["verify_time"], "verify_time").total_seconds()
        pause, longest = _POLL
        while True:
            trouble = ""
            try:
                if done(check_value(transport, value, fresh=True)):
                    return None
            except (AnswerLost, ServiceUnreachable) as exc:
                trouble = f" ({exc.message})"
            if clock() + pause > deadline:
                return trouble
            transport.budget.wait(pause, reason, expected=True)
            pause = min(pause * 2, longest)

    def _mismatch(self, check: ValueCheck, entry: dict[str, t.Any]) -> str | None:
        """How an accepted value differs from the key that it should belong to."""
        if check.key_type != entry["key_type"]:
            return f"as a {check.key_type} key instead of a {entry['key_type']} one"
        if check.key_type == "ingest" and check.id != entry["new_id"]:
            return f"as key {check.id}"
        if check.team["slug"] != self.client.team:
            return f"for the team {check.team['slug']} instead of {self.client.team}"
        if entry["environment_slug"] and check.environment["slug"] != entry["environment_slug"]:
            return f"for the environment {check.environment['slug']} instead of {entry['environment_slug']}"
        return None

    def _promote(self, entry: dict[str, t.Any]) -> dict[str, t.Any] | HoneycombError:
        ids = [entry["new_id"], *filter(None, [entry["old_id"]]), *(entry["stale_ids"] or [])]
        try:
            found = {key_id: self.client.get_key(key_id) for key_id in ids}
            steps = plan_promotion(entry["name"], entry["new_id"], entry["old_id"], found, self.now(), self.marks)
            leftovers = [self.marks.read(entry["name"], key) for key in found.values() if key]
            replaced = [left.key for left in leftovers if left and left.kind == "retired"] if steps else []
            for step in steps:
                key = self.client.update_key(str(step.key.id), step.changes)
                if key.id != entry["new_id"] and not key.disabled:
                    replaced.append(key)
            overlap = parse_duration(entry["overlap"], "overlap")
            if not overlap:
                for key in replaced:
                    last = shelve(entry["name"], key, self.now(), self.marks, "replaced, with no overlap asked for")
                    self.client.update_key(str(key.id), last.changes)
                    steps.append(last)
                if entry["old_id"] in [key.id for key in replaced]:
                    self._verify_refused(entry)
        except HoneycombError as exc:
            return exc
        then = "disabled" if not overlap else f"to be disabled after {describe_seconds(overlap.total_seconds())}"
        line = f"{entry['name']}: {entry['new_id']} is the current key"
        line += "".join(f"; {key.id} is {then}" for key in replaced)
        return {
            "name": entry["name"],
            "new_id": entry["new_id"],
            "old_id": entry["old_id"],
            "steps": [_step_row(step) for step in steps],
            "report": [line],
        }

    # -- what to tell ----------------------------------------------------------------------------------------------

    def report(self, jobs: t.Sequence[Job], states: t.Sequence[Assessment]) -> dict[str, t.Any]:
        """The state of every key, for programs and (C(report)) for people."""
        now = self.now()
        rows = [_row(job, state, now) for job, state in zip(jobs, states)]
        return {
            "rotations": rows,
            "blocked": [f"{job.label}: {state.blocked}" for job, state in zip(jobs, states) if state.blocked],
            "report": [line for job, state in zip(jobs, states) for line in _lines(job, state, now)],
        }


def run_rotation(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_api_key_rotation``"""
    rotation = Rotation(module)
    phases: dict[str, t.Callable[[], dict[str, t.Any]]] = {
        "status": rotation.status,
        "stage": rotation.stage,
        "activate": rotation.activate,
        "promote": rotation.promote,
        "restore": rotation.restore,
        "retire": rotation.retire,
    }
    return phases[module.params["phase"]]()


def _policy(entry: dict[str, t.Any]) -> Policy:
    durations = {name: parse_duration(entry[name], name) for name in ("max_age", "overlap", "grace", "lock_time")}
    return Policy(force=entry["force"], **durations)


def _line(key: ApiKey) -> str:
    return f"{key.name} ({'disabled' if key.disabled else 'enabled'})"


def _predict(lines: dict[str, str], steps: t.Iterable[Step]) -> None:
    """Change lines of a diff as the steps will change keys."""
    for step in steps:
        if step.action == "delete":
            lines.pop(str(step.key.id), None)
        else:
            disabled = step.changes.get("disabled", step.key.disabled)
            lines[str(step.key.id)] = (
                f"{step.changes.get('name', step.key.name)} ({'disabled' if disabled else 'enabled'})"
            )


def _step_row(step: Step) -> dict[str, t.Any]:
    return {"action": step.action, "id": step.key.id, "changes": step.changes, "why": step.why}


def _row(job: Job, state: Assessment, now: datetime) -> dict[str, t.Any]:
    return {
        "name": job.name,
        "key_type": job.key_type,
        "environment": job.environment.label,
        "due": state.due,
        "reason": state.reason,
        "blocked": state.blocked,
        "findings": list(state.findings),
        "generations": [generation_row(entry, now) for entry in state.generations],
        "steps": [_step_row(step) for step in state.steps],
        "upcoming": [{"at": format_timestamp(at), "what": what} for at, what in state.upcoming],
    }


def _verb(step: Step) -> str:
    if step.action == "delete":
        return "delete"
    if step.changes.get("disabled"):
        return "disable"
    return "rename"


def _lines(job: Job, state: Assessment, now: datetime) -> list[str]:
    """A table that a person can read."""
    lines = [job.label[0].upper() + job.label[1:]]
    rows = [generation_row(entry, now) for entry in state.generations]
    for row in rows:
        mark = "enabled" if row["enabled"] else "disabled"
        since = f", since {row['since']}" if row["since"] else ""
        lines.append(f"  {row['kind']:<9} {mark:<8} {row['id']}  created {row['age'] or '?'} ago{since}")
    if not rows:
        lines.append("  no key of this name")
    lines.extend(f"  note: {finding}" for finding in state.findings)
    if state.blocked:
        lines.append(f"  stopped: {state.blocked}")
        return lines
    lines.extend(f"  now: {_verb(step)} {step.key.id} ({step.why})" for step in state.steps)
    if state.due:
        overlap = describe_seconds(job.policy.overlap.total_seconds()) if job.policy.overlap else ""
        after = f"disable the old one after {overlap}" if overlap else "disable the old one at once"
        grace = describe_seconds(job.policy.grace.total_seconds())
        lines.append(
            f"  now: create a new key, deploy it everywhere, {after}, delete it {grace} later ({state.reason})"
        )
    elif not state.steps:
        lines.append(f"  now: nothing ({state.reason})")
    lines.extend(f"  {format_timestamp(at)}: {what}" for at, what in state.upcoming)
    return lines
