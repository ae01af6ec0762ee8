"""Which hidden vectors a call edits: positions of prompts, with and without padding."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from lib.nn import (
    edit_positions,
)
from lib.nn.adapters.edits import Edits, edit_input, edit_output, edited_places, prompt_ranges


def test_positions_are_disjoint_and_clamped():
    assert edit_positions(10, 3, 2) == ([0, 1, 2], [8, 9])
    assert edit_positions(4, 3, 2) == ([0, 1], [2, 3])
    assert edit_positions(1, 3, 2) == ([], [0])
    for length in range(1, 21):
        for prefix, suffix in ((1, 1), (7, 7), (3, 0), (0, 4), (11, 2)):
            first, last = edit_positions(length, prefix, suffix)
            assert not set(first) & set(last) and all(0 <= place < length for place in first + last)
            assert len(first) <= prefix and len(last) <= suffix


def test_places_count_from_each_prompts_own_start():
    """Rows of 5 and 2 tokens at offsets 1 and 4: two prefix positions and one suffix position, tied and untied."""
    first, last = edited_places([5, 2], [1, 4], 2, 1, groups=2)
    assert first.tolist() == [[0, 1], [0, 2], [1, 4]] and last.tolist() == [[0, 5], [1, 5]]
    (tied,) = edited_places([5, 2], [1, 4], 2, 1, groups=1)
    assert sorted(tied.tolist()) == sorted([*first.tolist(), *last.tolist()])
    (whole,) = edited_places([2, 1], [0, 3], None, None, groups=1)
    assert whole.tolist() == [[0, 0], [0, 1], [1, 3]]


def test_prompts_lie_within_their_tokens():
    assert prompt_ranges(6, torch.tensor([2, 6]), None) == ([2, 6], [0, 0])
    assert prompt_ranges(6, [2, 3], torch.tensor([4, 3])) == ([2, 3], [4, 3])
    for lengths, offsets in (([0], None), ([7], None), ([3], [4]), ([3], [-1])):
        with pytest.raises(ValueError, match=r"^every prompt must hold a token and lie within the 6 tokens$"):
            prompt_ranges(6, lengths, offsets)
    with pytest.raises(ValueError, match=r"^offsets must have one entry a row, as lengths \(2\), got 1$"):
        prompt_ranges(6, [1, 2], [0])


class Shift(nn.Module):
    """An intervention that adds a constant."""

    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(10.0))

    def edit(self, h, active=None):
        return self.by.expand_as(h)


def test_only_the_places_change_by_strength_times_the_edit():
    group, hidden = nn.ModuleList([Shift()]), torch.randn(2, 4, 3)
    edits = Edits([torch.tensor([[0, 1], [1, 3]])], batch=2, width=4, strength=0.5)
    wanted = hidden.clone()
    wanted[0, 1] += 5
    wanted[1, 3] += 5
    torch.testing.assert_close(edits.apply(group, hidden), wanted)


def test_copies_of_a_prompt_that_lie_side_by_side_are_edited_alike():
    group, hidden = nn.ModuleList([Shift()]), torch.zeros(4, 2, 3)
    edits = Edits([torch.tensor([[1, 0]])], batch=2, width=2)
    assert edits.apply(group, hidden)[:, :, 0].tolist() == [[0, 0], [0, 0], [10, 0], [10, 0]]


def test_what_was_generated_is_left_alone_and_the_hooks_go():
    group, block = nn.ModuleList([Shift()]), nn.Identity()
    edits = Edits([torch.tensor([[0, 0]])], batch=1, width=3)
    edits.handles.append(block.register_forward_hook(partial(edit_output, edits, group)))
    assert block(torch.zeros(1, 3, 2))[0, 0].tolist() == [10, 10]
    edits.passes = 2
    assert not block(torch.zeros(1, 1, 2)).any() and not block._forward_hooks
    with pytest.raises(
        ValueError, match=r"^prompts must have the shape \(2, 3\) that edits were asked for, got \(3, 3\)$"
    ):
        Edits([torch.tensor([[0, 0]])], batch=2, width=3).apply(group, torch.zeros(3, 3, 2))


def test_hidden_vectors_are_found_alone_first_in_a_tuple_and_by_name():
    group, hidden, module = nn.ModuleList([Shift()]), torch.zeros(1, 2, 2), nn.Identity()
    edits = Edits([torch.tensor([[0, 1]])], batch=1, width=2)
    wanted = [[0.0, 0.0], [10.0, 10.0]]
    assert edit_output(edits, group, module, (), hidden)[0].tolist() == wanted
    first, *rest = edit_output(edits, group, module, (), (hidden, "cache"))
    assert first[0].tolist() == wanted and rest == ["cache"]
    (first, other), named = edit_input(edits, group, module, (hidden, 7), {"mask": None})
    assert first[0].tolist() == wanted and other == 7 and named == {"mask": None}
    inputs, named = edit_input(edits, group, module, (), {"hidden_states": hidden, "mask": None})
    assert inputs == () and named["hidden_states"][0].tolist() == wanted
