"""Code lengths beside constriction's range coder, an independent implementation in Rust, on the same probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.coding.arithmetic_coder import TOTAL, encode_streams, quantize


@pytest.mark.parametrize(("symbols", "concentration"), [(4, 1.0), (60, 0.1), (256, 0.3)])
def test_as_short_as_constrictions_range_coder(symbols, concentration):
    constriction = pytest.importorskip("constriction")
    rng, length = np.random.default_rng(symbols), 3000
    tables = quantize(rng.dirichlet(np.full(symbols, concentration), size=length))
    data = (tables[:, 1:-1] <= rng.integers(TOTAL, size=length)[:, None]).sum(1)
    counts = np.diff(tables)
    ideal = -np.log2(counts[np.arange(length), data] / TOTAL).sum()

    encoder = constriction.stream.queue.RangeEncoder()
    model = constriction.stream.model.Categorical(perfect=False)
    probabilities = (counts / TOTAL).astype(np.float32)
    encoder.encode(data.astype(np.int32), model, probabilities)
    packed = encoder.get_compressed()
    decoder = constriction.stream.queue.RangeDecoder(packed)
    np.testing.assert_array_equal(decoder.decode(model, probabilities), data)  # a fair rival: it round-trips

    (bits,) = encode_streams(data[None], lambda step: tables[step])
    assert ideal - 1 <= len(bits) <= 1.001 * ideal + 2
    assert abs(len(bits) - 32 * len(packed)) <= 64 + 0.001 * ideal
