# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The steps by which a new key's value gets home. Everything that creates a key with a value to keep goes through here.

========= ====================================== ===========================================================
step      at Honeycomb                           in the store
========= ====================================== ===========================================================
create    ``NAME [pending]``, disabled; elected
stage                                            the value is in the pending slot, and was read back
enable    enabled; the value is accepted
publish                                          the value is in the live slot, and was read back
promote   gets the name ``NAME``
settle                                           the pending slot is empty
========= ====================================== ===========================================================

Each step takes all keys at once, and what goes wrong with one does not stop the others. Which steps a key takes, and in
which order, is decided in ``values.py`` and, for rotations, in ``_rotation/decisions.py``.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .._api.client import Client, check_value
from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError
from .._parallel import in_parallel
from .._stores.store import Held, Publication, Slots, Store, StoreConflict
from .._time import parse_timestamp
from .acceptance import Claim, wait_until_accepted
from .apply import apply_plan
from .create import create_keys
from .generations import Listing, Marks, lost_race, shelve_pending
from .homes import Home, failure
from .plan import Plan, about, place_of
from .values import Situation, has_to_ask

D = t.TypeVar("D", bound="Delivery")


@dataclass(frozen=True)
class Run:
    """What the steps of one task work with.

    :param verify_time: How long to wait for a value to be accepted or refused.
    :param preview: Decide and predict, but write nothing.
    :param warn: Called with a text for the user.
    :param concurrency: How many requests may be in progress at once.
    :param secret: Called with every value that the task comes to know, so that it is masked.
    """

    client: Client
    marks: Marks
    verify_time: timedelta
    preview: bool
    warn: t.Callable[[str], None]
    concurrency: int = 8
    secret: t.Callable[[str], t.Any] = lambda _value: None

    def now(self) -> datetime:
        """The service's time."""
        return self.client.transport.now()


@dataclass(frozen=True)
class Order:
    """A pending key to be created.

    :param base: The name that it will have.
    :param new: The key as it is created: pending and disabled.
    :param current_id: The key of this name now, if there is one.
    """

    label: str
    base: str
    new: ApiKey
    current_id: str | None


@dataclass
class Delivery:
    """One value on its way home.

    :param base: The name of the key, without a mark.
    :param claim: The value, and the key that it belongs to.
    :param home: Where it goes; ``None`` where the user stores it.
    :param before: What the home held when the task looked.
    :param replaced_id: The key whose value it replaces.
    :param key: The key as it was answered last.
    """

    base: str
    claim: Claim
    key: ApiKey
    home: Home | None = None
    before: Slots = field(default_factory=Slots)
    replaced_id: str | None = None
    error: HoneycombError | None = None
    version: str | None = None

    @property
    def held(self) -> Held:
        return Held(self.claim.value, self.claim.key_id)

    def fail(self, error: HoneycombError | str) -> None:
        """Note what went wrong. The first failure counts; in what state things are then is for the caller to add."""
        if self.error is None:
            self.error = HoneycombError(error) if isinstance(error, str) else error

    def explain(self, state: str) -> None:
        """Add in what state things are after the failure, and what to do next."""
        if self.error is not None:
            self.error.message = f"{self.error.message} {state}"


def check_live(run: Run, situations: t.Sequence[Situation]) -> list[Situation]:
    """The situations, with what Honeycomb says of the live values where only it can tell whose they are.

    :raises HoneycombError: It could not be asked.
    """

    def ask(situation: Situation) -> Situation:
        slots = situation.slots or Slots()
        live = slots.live
        for value in (live, slots.pending and slots.pending.value, slots.previous and slots.previous.value):
            if value:
                run.secret(value)
        if live is None or not has_to_ask(situation):
            return situation
        return replace(situation, live_check=check_value(run.client.transport, live), team=run.client.team)

    return in_parallel(ask, situations, run.concurrency)


# -- create ------------------------------------------------------------------------------------------------------------


def create_pending(
    run: Run, orders: t.Sequence[Order], listing: t.Sequence[ApiKey], look: t.Callable[[], list[ApiKey]]
) -> tuple[list[CreatedKey | HoneycombError], list[ApiKey]]:
    """Create a pending key for each order. Of several runs at the same moment one goes on: see :func:`lost_race`.

    :param listing: What there was before, and ``look`` what there is now.
    :returns: What was created, or why not, in the order of the orders; and what there is then.
    """
    if not orders:
        return [], list(listing)
    by_place = {place_of(order.new): order for order in orders}
    before = {str(key.id) for key in listing}

    def put_away_lost(key: ApiKey) -> None:
        put_away(run, by_place[place_of(key)].base, key, "its secret was lost")

    results = create_keys(run.client, [order.new for order in orders], before, put_away_lost, run.concurrency)
    made = [(order, entry) for order, entry in zip(orders, results) if isinstance(entry, CreatedKey)]
    for result in results:
        if isinstance(result, CreatedKey):
            run.secret(result.secret)
            run.secret(result.value)
        else:
            # The key, if there is one, is disabled and nobody's: its value has nowhere to go.
            result.created.clear()
    if not made:
        return results, list(listing)
    try:
        latest = _look_after(run, [entry for _order, entry in made], look)
    except HoneycombError as exc:
        for order, entry in made:
            try_to_put_away(run, order.base, entry.key)
        return [
            _unelected(order, exc) if isinstance(entry, CreatedKey) else entry for order, entry in zip(orders, results)
        ], list(listing)
    now = Listing(latest)
    for position, (order, result) in enumerate(zip(orders, results)):
        if isinstance(result, CreatedKey):
            family = now.family_of(result.key, order.base)
            lost = lost_race(order.base, result.key, order.current_id, before, family, run.marks)
            if lost:
                try_to_put_away(run, order.base, result.key)
                results[position] = HoneycombError(
                    about(order.label, f"{lost}."),
                    advice="This run stops; the key that it created stays disabled.",
                )
    return results, latest


def _unelected(order: Order, exc: HoneycombError) -> HoneycombError:
    """For each key the same error, with its label."""
    error = HoneycombError(
        about(order.label, f"looking for other runs failed: {exc.message}"),
        advice="The key that this run created stays disabled and will not be used; rerun.",
    )
    error.status, error.code, error.pointer = exc.status, exc.code, exc.pointer
    error.title, error.detail = exc.title, exc.detail
    return error


def _look_after(run: Run, made: t.Sequence[CreatedKey], look: t.Callable[[], list[ApiKey]]) -> list[ApiKey]:
    """What there is once the second in which the keys were created has passed.

    The times of keys have whole seconds; only then does every run see one order, and all agree whose key is the oldest.
    """
    youngest = max(parse_timestamp(entry.key.created_at) or run.now() for entry in made)
    wait = (youngest + timedelta(seconds=1.1) - run.now()).total_seconds()
    reason = "other runs that may have started at the same moment"
    run.client.transport.budget.wait(min(max(wait, 0.0), 3.0), reason, expected=True)
    return look()


def put_away(run: Run, base: str, key: ApiKey, why: str) -> None:
    """Mark a pending key that will not be used as a leftover, and disable it."""
    carry_out(run, shelve_pending(base, key, run.now(), run.marks, why))


def try_to_put_away(run: Run, base: str, key: ApiKey) -> None:
    """The same for a disabled key of this run; the next run does it where this fails."""
    try:
        put_away(run, base, key, "not used")
    except HoneycombError as exc:
        run.warn(
            f"The new key {key.id} of this run is disabled and will not be used, but it could not be marked "
            f"as stale; the next run does that. {exc.message}"
        )


def carry_out(run: Run, plan: Plan) -> ApiKey | None:
    """One plan.

    :raises HoneycombError: It failed.
    """
    outcome = apply_plan(run.client, plan)
    if outcome.error:
        raise outcome.error
    return outcome.key


# -- into the store ----------------------------------------------------------------------------------------------------


def stage(run: Run, deliveries: t.Sequence[Delivery]) -> None:
    """Put values into the pending slots, and read them back. A home without such a slot is left for later."""

    def work(store: Store, group: t.Sequence[Delivery]) -> None:
        odd = _stage(store, group)
        # Another run, whose key this one has put away as a leftover, may have staged it a moment later. It gives up.
        odd = _stage(store, [delivery for delivery, _slots in odd]) if odd else []
        for delivery, slots in odd:
            delivery.fail(_told(delivery, _odd(delivery, slots.pending.value if slots.pending else None)))

    _by_store(run, [entry for entry in deliveries if entry.home and entry.home.store.has_pending], work)


def _stage(store: Store, group: t.Sequence[Delivery]) -> list[tuple[Delivery, Slots]]:
    """Stage values.

    :returns: Those that the store does not give back, with what it gives.
    """
    store.stage({_entry(delivery): delivery.held for delivery in group})
    return [(delivery, slots) for delivery, slots in _read_back(store, group) if slots.pending != delivery.held]


def publish(run: Run, deliveries: t.Sequence[Delivery]) -> None:
    """Make values live, and read them back."""

    def work(store: Store, group: t.Sequence[Delivery]) -> None:
        try:
            store.publish(
                {
                    _entry(delivery): Publication(delivery.held, delivery.before.live, delivery.replaced_id)
                    for delivery in group
                }
            )
        except StoreConflict:
            if len(group) == 1:
                raise
            # Nothing was written. What somebody changed must not keep the others from going live.
            for delivery in group:
                _by_store(run, [delivery], work)
            return
        for delivery, slots in _read_back(store, group):
            delivery.version = slots.version
            if slots.live != delivery.claim.value:
                delivery.fail(_told(delivery, _odd(delivery, slots.live)))

    _by_store(run, deliveries, work)


def settle(run: Run, deliveries: t.Sequence[Delivery]) -> None:
    """Empty the pending slots. What fails here is left for the next run: everything is in place already."""

    def work(store: Store, group: t.Sequence[Delivery]) -> None:
        try:
            store.settle({_entry(delivery): delivery.claim.key_id for delivery in group})
        except Exception as exc:  # pylint: disable=broad-except
            places = ", ".join(delivery.home.place for delivery in group if delivery.home)
            run.warn(
                f"The values are live, but the pending slot could not be emptied; a later run does that. "
                f"{failure(places, exc).message}"
            )

    _by_store(run, [entry for entry in deliveries if entry.home and entry.home.store.has_pending], work)


def _by_store(
    run: Run, deliveries: t.Sequence[Delivery], work: t.Callable[[Store, t.Sequence[Delivery]], None]
) -> None:
    """Do the same for each container once, with everything that goes into it. A container fails as a whole."""
    groups: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        if delivery.home and delivery.error is None:
            groups.setdefault(id(delivery.home.store), []).append(delivery)

    def one(group: list[Delivery]) -> None:
        store = t.cast(Home, group[0].home).store
        try:
            work(store, group)
        except Exception as exc:  # pylint: disable=broad-except
            for delivery in group:
                delivery.fail(_told(delivery, failure(t.cast(Home, delivery.home).place, exc).message))

    in_parallel(one, list(groups.values()), run.concurrency)


def _read_back(store: Store, group: t.Sequence[Delivery]) -> list[tuple[Delivery, Slots]]:
    """What the store gives back now."""
    found = store.read([_entry(delivery) for delivery in group])
    return [(delivery, found.get(_entry(delivery), Slots())) for delivery in group]


def _entry(delivery: Delivery) -> str:
    return delivery.home.entry if delivery.home else ""


def _told(delivery: Delivery, what: str) -> str:
    return f"Key {delivery.claim.key_id}, the new {delivery.claim.label}: {what}"


def _odd(delivery: Delivery, found: str | None) -> str:
    gives = "nothing" if found is None else "another value"
    place = delivery.home.place if delivery.home else ""
    return f"{place} accepted it, but gives back {gives}."


# -- at Honeycomb ------------------------------------------------------------------------------------------------------


def change(run: Run, delivery: Delivery, wanted: t.Mapping[str, t.Any]) -> None:
    """Make the key as wanted: enable it, or give it its name. One request, or none."""
    changes = {name: value for name, value in wanted.items() if getattr(delivery.key, name) != value}
    if changes:
        delivery.key = run.client.update_key(delivery.claim.key_id, changes)


def accept(run: Run, delivery: Delivery) -> None:
    """Wait until Honeycomb accepts the value, as the right key. A key that turns out to be another one is disabled."""
    claim = delivery.claim
    wrong = wait_until_accepted(run.client, claim, run.verify_time)
    if wrong:
        run.client.update_key(claim.key_id, {"disabled": True})
        raise HoneycombError(
            f"Honeycomb accepts it, but {wrong}. The key was disabled again. Check api_url, environment and key_type."
        )


def each(run: Run, deliveries: t.Sequence[D], work: t.Callable[[D], None]) -> None:
    """Do the same for each delivery; what goes wrong is noted there, and does not stop the others."""

    def one(delivery: D) -> None:
        try:
            work(delivery)
        except HoneycombError as exc:
            # The same error, since the result of the task shows what the service said.
            exc.message = _told(delivery, exc.message)
            delivery.fail(exc)
        except Exception as exc:  # pylint: disable=broad-except
            delivery.fail(_told(delivery, HoneycombError.defect(exc).message))

    in_parallel(one, deliveries, run.concurrency)
