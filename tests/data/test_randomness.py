"""Random streams are functions of whole numbers; splits are decided by content; searches end."""

import ast
from pathlib import Path

import numpy as np
import pytest

import lib.data
from lib.data import by_step, generator, split_of_hash, stream
from lib.data.randomness import FEWEST_DRAWS, bounded


def first(rng):
    return int(rng.integers(1 << 60))


def test_no_two_places_share_their_numbers():
    drawn = [first(stream(seed, role, *index)) for seed in (0, 1) for role in ("train", "validation", "test")
             for index in ((), (1,), (1, 2))]  # fmt: skip
    drawn += [first(generator(seed, *place)) for seed in (0, 1) for place in ((1,), (2,), (1, 2), (2, 1))]
    assert len(set(drawn)) == len(drawn)


def test_a_steps_numbers_are_its_own_and_its_parts():
    assert first(by_step(3, 8)) == first(generator(3, 8)) == first(np.random.default_rng([3, 8]))
    assert first(by_step(3, 8, 1)) == first(np.random.default_rng([3, 1, 8])) != first(by_step(3, 8, 2))


def test_generators_begin_in_one_place_only():
    makers = []
    for path in Path(lib.data.__file__).parent.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if names & {"default_rng", "SeedSequence", "RandomState", "PCG64"}:
            makers.append(path.name)
    assert makers == ["randomness.py"]


def test_eight_of_ten_train_one_validates_one_tests():
    splits = [split_of_hash(number) for number in range(1000)]
    assert [splits.count(name) for name in ("train", "validation", "test")] == [800, 100, 100]
    two = [split_of_hash(number, validation=False) for number in range(1000)]
    assert [two.count(name) for name in ("train", "validation", "test")] == [900, 0, 100]
    assert all(a == b for a, b in zip(splits, two, strict=True) if a == "test")


def test_a_search_gives_each_item_once_in_the_order_found():
    numbers = iter([3, 4, 3, 6, 5, 8])
    found = bounded(3, lambda: (n, str(n)) if (n := next(numbers)) % 2 == 0 else None, "too few even numbers")
    assert found == ["4", "6", "8"]


def test_a_search_that_cannot_succeed_ends():
    calls = []
    with pytest.raises(ValueError, match=r"^too few digits for count 30 \(found 10\)$"):
        bounded(30, lambda: (len(calls) % 10, calls.append(0)), "too few digits")
    assert len(calls) == max(FEWEST_DRAWS, 50 * 30)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"^role must be one of train, validation, test, got 'dev'$"):
        stream(0, "dev")
    with pytest.raises(ValueError, match="seed and index must not be negative"):
        stream(0, "train", -1)
    with pytest.raises(ValueError, match="seed and place must not be negative"):
        generator(-1)
    with pytest.raises(ValueError, match=r"^count must be at least 1, got 0$"):
        bounded(0, lambda: None, "too few")
