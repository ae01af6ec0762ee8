"""Caches hold what was appended, however it was cut, and count the bytes held and not the room."""

from __future__ import annotations

import pytest
import torch

from lib.nn.layers.caches import KVCache, RaggedKVCache


@pytest.mark.parametrize("cuts", [(40,), (1,) * 40, (3, 17, 1, 19), (16, 1, 23)])
def test_appended_in_any_pieces_it_is_the_whole(cuts):
    torch.manual_seed(0)
    keys, values = torch.randn(2, 3, 40, 5), torch.randn(2, 3, 40, 5)
    cache, done = KVCache(), 0
    assert cache.nbytes == 0
    for size in cuts:
        held = cache.append(keys[:, :, done : done + size], values[:, :, done : done + size])
        done += size
        assert torch.equal(held[0], keys[:, :, :done]) and torch.equal(held[1], values[:, :, :done])
        assert cache.length == done and cache.nbytes == 2 * 2 * 3 * done * 5 * 4
    assert done == 40


def test_storage_is_copied_a_logarithmic_number_of_times():
    cache, rooms = KVCache(), set()
    for _ in range(1000):
        cache.append(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2))
        rooms.add(cache._keys.data_ptr() if cache._keys is not None else 0)
    assert len(rooms) <= 8  # 16, 32, ..., 1024


def test_each_sequence_keeps_the_tokens_it_chose():
    torch.manual_seed(1)
    cache, kept_keys = RaggedKVCache(), [torch.zeros(2, 0, 3), torch.zeros(2, 0, 3)]
    for step in range(12):
        keys, values, kept = torch.randn(2, 2, 3, 3), torch.randn(2, 2, 3, 3), torch.rand(2, 3) < (0.9, 0.2)[step % 2]
        before = [rows.shape[1] for rows in kept_keys]
        kept_keys = [torch.cat((rows, keys[b][:, kept[b]]), 1) for b, rows in enumerate(kept_keys)]
        held, _, visible = cache.append(keys, values, kept)
        for b, rows in enumerate(kept_keys):
            assert torch.equal(held[b, :, : rows.shape[1]], rows)
            for token in kept[b].nonzero().flatten().tolist():
                upto = before[b] + int(kept[b, : token + 1].sum())  # the past and the chosen up to itself
                assert visible[b, 0, token].sum() == upto and visible[b, 0, token, :upto].all()
        assert visible.any(-1).all(), "every softmax has something"
        assert cache.lengths.tolist() == [rows.shape[1] for rows in kept_keys]
        assert cache.nbytes == 2 * int(cache.lengths.sum()) * 2 * 3 * 4


def test_a_repeated_cache_holds_the_same_tokens_and_grows_alone():
    cache, (keys, values) = KVCache(), torch.randn(2, 2, 3, 5, 4)
    cache.append(keys, values)
    other = cache.repeated(3)
    assert other.length == 5 and KVCache().repeated(2).length == 0
    new = torch.randn(2, 6, 3, 1, 4)
    held, _ = other.append(*new)
    assert torch.equal(held[:, :, :5], keys.repeat_interleave(3, 0)) and torch.equal(held[:, :, 5:], new[0])
    again, kept = cache.append(keys[:, :, :1], values[:, :, :1])
    assert torch.equal(again[:, :, :5], keys) and torch.equal(kept[:, :, 5:], values[:, :, :1])
