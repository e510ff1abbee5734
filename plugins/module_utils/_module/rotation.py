# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_api_key_rotation`` does, between its options and its results."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._environments.lookup import Environments
from .._errors import InputError
from .._keys.handover import Run
from .._keys.homes import Address, Homes
from .._rotation import by_hand, report
from .._rotation.decisions import Policy
from .._rotation.jobs import Job, Staged
from .._rotation.promote import check, promote
from .._rotation.release import release
from .._rotation.schedule import Rules
from .._rotation.stage import stage
from .._rotation.survey import Changes, Failure, status
from .._rotation.window import parse_window
from .._stores.options import merged
from .._time import parse_duration
from .base import HoneycombModule
from .stores import read_run

# Requests at once, and so connections.
_CONCURRENCY = 16


def run_rotation(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_api_key_rotation``"""
    params = module.params
    run = read_run(module, _CONCURRENCY)
    if params["phase"] in ("check", "promote", "release"):
        return _deployed(module, run)
    jobs, unreadable = _read_jobs(module, run)
    rules = Rules(parse_window(params["window"] or [], "window"), params["most"])
    if params["phase"] == "status":
        cases = status(run, jobs, rules)
        told = report.overview(cases, run.now(), failures=unreadable)
        return {"changed": False, **told, "plan": report.plan(cases, run.now())}
    if params["phase"] in ("restore", "retire"):
        done = by_hand.restore(run, jobs, params["id"]) if params["phase"] == "restore" else by_hand.retire(run, jobs)
        return _by_hand(replace(done, failures=[*unreadable, *done.failures]), run)
    done = stage(run, jobs, params["create"], rules)
    done = replace(done, failures=[*unreadable, *done.failures])
    module.hand_back(done.created)
    return {
        **_changes(done, run, brief=True),
        "staged": [entry.as_result() for entry in done.staged],
        "stored": list(done.stored),
        "due": list(done.due),
        "failures": report.failures(done.failures),
    }


def _deployed(module: HoneycombModule, run: Run) -> dict[str, t.Any]:
    """The phases that end what ``stage`` began. In check mode nothing is staged, and they have nothing to do."""
    params = module.params
    homes = Homes(params["timeout"])
    staged = [_read_staged(params, entry, homes) for entry in params["staged"]]
    if params["phase"] == "check":
        return {"changed": False, "failures": report.failures(check(run, staged))}
    if params["phase"] == "release":
        return {"changed": bool(staged), "report": release(run, staged, params["received"] or [])}
    done, failures = promote(run, staged, params["old_keys"] or [])
    changed = bool(staged) if run.preview else any(entry.steps for entry in done)
    return {"changed": changed, **report.promotions(done), "failures": report.failures(failures)}


def _read_staged(params: dict[str, t.Any], entry: dict[str, t.Any], homes: Homes) -> Staged:
    """One of the option ``staged``, with its home. Its own store is that of the rotation it came from."""
    position, rotations = entry["position"], params["rotations"] or []
    own = rotations[position]["store"] if position is not None and position < len(rotations) else None
    store = merged(params["store"], own)
    address = Address(entry["name"], entry["environment_slug"], entry["key_type"])
    return Staged.from_options(entry, homes.find(store, address) if store else None)


def _by_hand(done: Changes, run: Run) -> dict[str, t.Any]:
    """The task fails where one key could not be helped, and says what was done for the others all the same."""
    result = {**_changes(done, run), "failures": report.failures(done.failures)}
    result["report"] = [*result["report"], *done.notes]
    if not done.failures:
        return result
    failed = {failure.position for failure in done.failures}
    others = [case.job.name for case in done.cases if case.job.position not in failed]
    message = " ".join(failure.message for failure in done.failures)
    if others:
        message += f" The others were done: {', '.join(others)}."
    return {**result, "failed": True, "msg": message}


def _changes(done: Changes, run: Run, *, brief: bool = False) -> dict[str, t.Any]:
    return {
        "changed": done.changed,
        "diff": report.diff(done.before, done.after),
        **report.overview(done.cases, run.now(), brief=brief),
    }


def _read_jobs(module: HoneycombModule, run: Run) -> tuple[list[Job], list[Failure]]:
    """The keys that the task names, each completed by the options for all; checked before any request about keys.

    :returns: The keys that ``only`` chooses, and what is wrong with single ones of them.
    :raises InputError: One of them can't be rotated as it is given, or none can.
    """
    params = module.params
    entries: list[dict[str, t.Any]] = [
        {name: params.get(name) if value is None else value for name, value in entry.items()}
        for entry in params["rotations"]
    ]
    for index, entry in enumerate(entries):
        run.marks.check_base(entry["name"])
        for option in ("key_type", "environment"):
            if not entry[option]:
                raise InputError(
                    f"rotations[{index}] ({entry['name']}): {option} is missing. Give it there, or for all keys."
                )
    policies = [_read_policy(entry) for entry in entries]
    environments = Environments(run.client)
    homes = Homes(params["timeout"])
    jobs, failures = [], []
    for index, (entry, policy) in enumerate(zip(entries, policies)):
        try:
            environment = environments.resolve(entry["environment"])
        except InputError as exc:
            if len(entries) == 1:
                raise
            name = entry["name"]
            failures.append(Failure(index, name, name, f"{entry['key_type']} key {name!r}: {exc.message}"))
            continue
        address = Address(entry["name"], environment.slug, entry["key_type"], f"rotations[{index}].")
        store = merged(params["store"], params["rotations"][index]["store"])
        home = homes.find(store, address) if store else None
        jobs.append(Job(index, entry["name"], entry["key_type"], environment, policy, home))
    seen: set[tuple[str, str, str]] = set()
    for job in jobs:
        identity = (job.name, job.key_type, job.environment.id)
        if identity in seen:
            raise InputError(f"rotations: the {job.label} is named twice. Nothing was done; name it once.")
        seen.add(identity)
    if not jobs:
        raise InputError(" ".join(failure.message for failure in failures))
    if params["only"] is None:
        return jobs, failures
    positions = by_hand.named(run, jobs, [failure.name for failure in failures], params["only"])
    chosen = [replace(job, policy=replace(job.policy, by_hand=True)) for job in jobs if job.position in positions]
    return chosen, [failure for failure in failures if failure.name in params["only"]]


def _read_policy(entry: dict[str, t.Any]) -> Policy:
    durations = {
        name: parse_duration(entry[name], name) for name in ("max_age", "lead", "overlap", "grace", "lock_time")
    }
    if durations["max_age"] and durations["overlap"] >= durations["max_age"]:
        raise InputError(
            f"{entry['name']}: overlap ({entry['overlap']}) is not shorter than max_age ({entry['max_age']}), so the "
            "old key could not be disabled by then. Shorten overlap, or raise max_age."
        )
    return Policy(force=entry["force"], by_hand=False, **durations)
