"""Compression of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from lib.data import common_bytes, encode_windows, load_corpus
from lib.data.coding.arithmetic_coder import TOTAL, Encoder, quantize
from lib.data.coding.byte_models import symbols_of
from lib.nn import ExactByteLM, GRUByteLM
from lib.training import fit, language_modelling_loss
from tests.benchmarks.registry import Bench, Result


def results(bench: Bench) -> Iterator[Result]:
    symbols = 2048 * 250
    rates = {name: symbols / s / 1e6 for name, s in bench.seconds(coder_candidates(), 5).items()}
    ours, theirs = rates["ours"], rates["constriction"]
    case, unit = "arithmetic coder, given tables, 2048 streams", "million symbols/s"
    yield Result(case, unit, ours, "constriction, one stream", theirs, ours / theirs)
    ours, theirs = (rate / 1e3 for rate in window_rates(bench))
    case = "Equal-Info Windows of 16 bits, M1 of 128 units, 2048 texts in lockstep"
    yield Result(case, "KB/s", ours, "one text at a time", theirs, ours / theirs)


def coder_candidates(streams: int = 2048, length: int = 250, symbols: int = 96) -> dict[str, Callable[[], object]]:
    """The integer coder on given tables, beside constriction's range coder in Rust on the same probabilities."""
    import constriction

    rng = np.random.default_rng(0)
    tables = quantize(rng.dirichlet(np.full(symbols, 0.1), size=streams))
    data = rng.integers(symbols, size=(streams, length))
    probabilities = (np.diff(tables) / TOTAL).astype(np.float32)
    flat = np.repeat(probabilities, length, axis=0)
    model = constriction.stream.model.Categorical(perfect=False)
    bounds = [
        (np.take_along_axis(tables, data[:, [t]], 1)[:, 0], np.take_along_axis(tables, data[:, [t]] + 1, 1)[:, 0])
        for t in range(length)
    ]

    def ours() -> None:
        coder = Encoder(streams)
        for lower, upper in bounds:
            coder.encode(lower, upper)
        coder.finish()

    def theirs() -> None:
        coder = constriction.stream.queue.RangeEncoder()
        coder.encode(data.reshape(-1).astype(np.int32), model, flat)
        coder.get_compressed()

    return {"ours": ours, "constriction": theirs}


def trained_byte_model(steps: int = 200) -> tuple[ExactByteLM, bytes]:
    """The small M1 of notebook 03, trained for seconds, and text that it has not seen."""
    corpus = load_corpus("python", limit=3_000_000)
    text = corpus.train.encode()
    alphabet = common_bytes(text, 200)
    torch.manual_seed(0)
    model = GRUByteLM(alphabet)
    known = symbols_of(text, alphabet)
    known = torch.from_numpy(known[known < len(alphabet)])

    def batch(step: int) -> dict[str, torch.Tensor]:
        starts = torch.from_numpy(np.random.default_rng(step).integers(0, len(known) - 64, 64))
        targets = known[starts[:, None] + torch.arange(64)]
        return {"tokens": torch.cat((torch.full((64, 1), model.bos), targets[:, :-1]), 1), "targets": targets}

    def loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return language_modelling_loss(model(batch["tokens"]), batch["targets"])

    fit(model, batch, loss, steps=steps, lr=1.2e-2, progress=False)
    return ExactByteLM(model), (text[:2_200_000] if len(corpus.test) < 2_200_000 else corpus.test.encode())


def window_rates(bench: Bench, window: int = 16, streams: int = 2048, length: int = 512) -> tuple[float, float]:
    """Bytes per second of Equal-Info compression: all texts in lockstep, and one text at a time."""
    model, text = trained_byte_model()
    pieces = [text[i : i + length] for i in range(0, streams * length, length)]
    seconds = bench.seconds(
        {
            "lockstep": lambda: encode_windows(model, pieces, window),
            "one": lambda: [encode_windows(model, [piece], window) for piece in pieces[:8]],
        },
        3,
    )
    return streams * length / seconds["lockstep"], 8 * length / seconds["one"]
