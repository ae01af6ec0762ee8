"""Image generation.

Codes of a picture by VAR's four scales, against 64 steps of raster order and against VAR without its cache; and the
pictures a second that the tokenizer takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from lib.nn import VAR, VQVAE, MultiScaleQuantizer, Sampling, SmallDecoder, SmallEncoder, TokenAR, VARConfig
from tests.benchmarks.registry import Bench, Result


def results(bench: Bench) -> Iterator[Result]:
    peers = {"raster": "raster AR, cached, 64 steps", "without_cache": "VAR without a cache"}
    for batch, repeats in ((1, 15), (16, 7), (64, 3)):
        yield from bench.race(f"VAR, 4 blocks of 96, guided, batch {batch}", image_candidates(batch), peers, repeats)
    torch.manual_seed(0)
    tokenizer = VQVAE(SmallEncoder(), SmallDecoder(), MultiScaleQuantizer(256, 16, (1, 2, 4, 8))).eval()
    images = torch.rand(256, 3, 32, 32) * 2 - 1
    seconds = bench.seconds({"encode": lambda: tokenizer.encode(images)}, 5)["encode"]
    yield Result("tokenizer, 32 x 32 pixels to 85 codes, batch 256", "images/s", 256 / seconds)


def image_candidates(batch: int) -> dict[str, Callable[[], object]]:
    """Codes of `batch` images with guidance: VAR in four steps, the same without a cache, and raster AR in 64 steps.

    Four blocks of width 96 in all; what is untrained takes as long.
    """
    sides, labels, guided = (1, 2, 4, 8), torch.arange(batch) % 16, Sampling(guidance=1.5)
    sizes = {"vocab_size": 256, "channels": 16, "hidden_size": 96, "num_attention_heads": 4}
    torch.manual_seed(0)
    model = VAR(VARConfig(4, 16, sides, **sizes)).eval()
    raster = TokenAR(VARConfig(4, 16, (8,), **sizes), 64).eval()
    quantizer = MultiScaleQuantizer(256, 16, sides).eval()
    both = torch.cat((labels, torch.full_like(labels, 16)))

    @torch.inference_mode()
    def without_cache() -> None:
        """Every scale anew from the first: the masked pass over the scales so far."""
        f_hat, rows = torch.zeros(batch, 16, 8, 8), torch.zeros(2 * batch, 0, 16)
        condition, end = model.class_emb(both), 0
        positions, mask = model.lvl_embed(model.lvl_1L) + model.pos_1LC, model.attn_bias_for_masking
        for scale, side in enumerate(sides):
            end += side * side
            x = torch.cat((model.start(condition), model.word_embed(rows)), 1) + positions[:, :end]
            logits = model.run_blocks(x, condition, mask[:, :, :end, :end], None)[:, -side * side :]
            codes = guided.pick(logits, scale / 3)
            f_hat = f_hat + quantizer.contribution(codes, scale)
            if scale + 1 < len(sides):
                rows = torch.cat((rows, quantizer.next_map(f_hat, scale + 1).repeat(2, 1, 1)), 1)

    return {
        "ours": lambda: model.generate(labels, quantizer, guided),
        "raster": lambda: raster.generate(labels, guided),
        "without_cache": without_cache,
    }
