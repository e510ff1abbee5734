# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of generations, read and written."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey
from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import (
    Listing,
    Marks,
    generations_of,
)
from ansible_collections.community.honeycomb.plugins.module_utils._time import parse_timestamp

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
MARKS = Marks()


@pytest.mark.parametrize(
    ("name", "disabled", "kind"),
    [
        ("checkout", False, "current"),
        ("checkout [pending]", True, "pending"),
        ("checkout [retired 20260101T000000Z]", False, "retired"),
        ("checkout [retired 20260101T000000Z]", True, "off"),
        ("checkout [retired 20260101T000000Z off]", True, "off"),
        ("checkout [retired 20260101T000000Z off]", False, "restored"),
        ("checkout [restored 20260101T000000Z]", False, "restored"),
        ("checkout [retired 20261301T000000Z]", False, None),
        ("checkout [retired]", False, None),
        ("checkout [stale 20260101T000000Z]", False, "retired"),
        ("checkout [stale 20260101T000000Z off]", True, "off"),
        ("checkout 2", False, None),
        ("checkout2 [pending]", True, None),
        ("Checkout", False, None),
    ],
)
def test_generations_are_told_by_their_names(name: Any, disabled: Any, kind: Any) -> None:
    found = MARKS.read("checkout", ApiKey("id", name, "ingest", "env", disabled))

    assert (found.kind if found else None) == kind


def test_the_longest_name_has_room_for_every_mark() -> None:
    base = "n" * MARKS.longest_base()
    MARKS.check_base(base)
    entry = MARKS.read(base, ApiKey("id", base, "ingest", "env", False))
    assert entry
    assert len(MARKS.off_name(base, entry, START)) == 100
    with pytest.raises(InputError, match="70 characters"):
        MARKS.check_base(base + "n")


def test_marks_that_could_be_mistaken_are_refused() -> None:
    with pytest.raises(InputError, match="have to differ"):
        Marks(pending="x", retired="x").check()
    with pytest.raises(InputError, match="marks.pending"):
        Marks(pending="[").check()
    with pytest.raises(InputError, match="ends with a mark"):
        MARKS.check_base("checkout [pending]")


def test_times_are_told_by_the_later_of_mark_and_last_change() -> None:
    """So that a key that was changed by hand is never deleted too early."""
    key = ApiKey(
        "id", "checkout [retired 20260101T000000Z off]", "ingest", "env", True, updated_at="2026-02-01T00:00:00Z"
    )

    found = MARKS.read("checkout", key)

    assert found
    assert found.since == parse_timestamp("2026-02-01T00:00:00Z")


@pytest.mark.parametrize(
    ("name", "disabled", "mark"),
    [
        ("checkout", False, None),
        ("checkout [pending]", False, "pending"),
        ("checkout [retired 20260101T000000Z off]", False, "retired"),
        ("checkout [stale 20260101T000000Z]", False, "stale"),
        ("checkout [stale 20260101T000000Z off]", False, "stale"),
        ("checkout [restored 20260101T000000Z]", False, "restored"),
    ],
)
def test_a_generation_knows_how_its_name_was_read(name: Any, disabled: Any, mark: Any) -> None:
    found = MARKS.read("checkout", ApiKey("id", name, "ingest", "env", disabled))

    assert found
    assert found.mark == mark
    assert found.stale == (mark == "stale")


@pytest.mark.parametrize("words", [None, {"pending": "next", "retired": "old", "restored": None, "stale": "dead"}])
@pytest.mark.parametrize(
    "base",
    ["checkout", "checkout [stale team]", "checkout [dead 1]", "checkout [pending] 2", "checkout [restored team]"],
)
def test_every_name_that_is_written_is_read_again(base: Any, words: Any) -> None:
    """Whatever the name without a mark looks like, and with words of the user's own."""
    marks = Marks.from_options(words)
    marks.check_base(base)
    current = marks.read(base, ApiKey("id", base, "ingest", "env", False))
    pending = marks.read(base, ApiKey("id", marks.pending_name(base), "ingest", "env", False))
    assert current
    assert pending
    assert (current.mark, pending.mark) == (None, "pending")
    for entry, mark in ((current, "retired"), (pending, "stale")):
        for name, disabled in (
            (marks.retired_name(base, entry, START), False),
            (marks.off_name(base, entry, START), True),
        ):
            found = marks.read(base, ApiKey("id", name, "ingest", "env", disabled))
            assert found
            assert (found.mark, found.since) == (mark, START)
            # It stays what it is when it is renamed again.
            again = marks.read(base, ApiKey("id", marks.off_name(base, found, START), "ingest", "env", True))
            assert again
            assert again.mark == mark
    restored = marks.read(base, ApiKey("id", marks.restored_name(base, START), "ingest", "env", False))
    assert restored
    assert (restored.kind, restored.mark) == ("restored", "restored")


BASES = ("checkout", "checkout [team]", "check")
ENDINGS = ("", " [pending]", " [retired 20260101T000000Z]", " [stale 20260101T000000Z off]", " [team]", " 2")
KEYS = st.builds(
    ApiKey,
    st.uuids().map(str),
    st.builds(str.__add__, st.sampled_from(BASES), st.sampled_from(ENDINGS)),
    st.sampled_from(("ingest", "configuration")),
    st.sampled_from(("env", "other")),
    st.booleans(),
)


@given(st.lists(KEYS, max_size=12))
def test_the_family_in_a_listing_has_every_generation(keys: list[ApiKey]) -> None:
    listing = Listing(keys)
    assert list(listing.by_id.values()) == keys
    for base in BASES:
        for key_type, place in (("ingest", "env"), ("configuration", "other")):
            here = [key for key in keys if (key.key_type, key.environment_id) == (key_type, place)]
            family = listing.family(base, key_type, place)
            assert generations_of(base, family, MARKS) == generations_of(base, here, MARKS)
            assert len(family) == len({key.id for key in family})
