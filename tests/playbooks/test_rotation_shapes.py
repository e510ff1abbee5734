# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role api_key_rotation in plays of every shape, each with the same promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .shapes import QUICK, SHAPES, Fleet, Shape

# What a failed run without a store may leave enabled: the key that some host may have.
_MOST_LEFT = 1


@pytest.mark.parametrize(
    "shape",
    [pytest.param(shape, id=name, marks=[] if name in QUICK else pytest.mark.slow) for name, shape in SHAPES.items()],
)
def test_no_shape_tricks_the_rotation(sim: Any, run_playbook: Callable[..., Any], tmp_path: Path, shape: Shape) -> None:
    """No host is ever refused, nothing fails in silence, little is left over, and the next run converges."""
    fleet = Fleet(sim, run_playbook, tmp_path, shape)
    sim.advance(2 * 24 * 3600)

    first = fleet.run(shape.trouble)

    said = " ".join(first.output.split())
    assert fleet.broken == []
    if shape.refused:
        assert shape.refused in said
        assert first.rc != 0
        assert not [request for request in sim.requests if request.method != "GET"]
        return
    # A play that rescues or ignores the role's failure says for itself that all is well.
    forgiven = shape.how == "rescue"
    assert fleet.rotated() or first.rc != 0 or forgiven, said
    assert bool(shape.trouble) or first.rc == 0, said
    if shape.trouble:
        assert (
            shape.trouble.split("-")[1] in said.partition("Say which keys could not be rotated")[2]
            or forgiven
            or first.rc == 4
        )
    if shape.trouble.startswith("dead"):
        assert not [request for request in sim.requests if request.operation == "createApiKey"], "a key for a dead host"
    assert len(fleet.left()) <= _MOST_LEFT * len(shape.keys)

    if shape.trouble.startswith("lost"):
        # Ansible may have stopped without a word of the role's; then the key counts as part of a run for a while.
        sim.advance(3600)
    again = fleet.run()

    assert again.rc == 0, again.output
    assert fleet.broken == []
    assert fleet.rotated(), [(key.name, key.disabled) for key in sim.keys()]


def test_the_quick_shapes_are_there() -> None:
    assert set(QUICK) <= set(SHAPES)
    assert len(SHAPES) > 80
