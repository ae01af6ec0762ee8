"""Our kernels and training step beside their peers, in one run: `make bench` writes kernels/BENCHMARKS.md."""

from __future__ import annotations

import datetime
import importlib.util
import math
import os
import re
import statistics
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from kernels import (
    causal_conv,
    causal_conv_reference,
    gather_rms_norm,
    nearest_code,
    rms_norm,
    scatter_add_rows,
    selective_scan,
)
from lib.data import common_bytes, encode_windows, load_corpus
from lib.data.coding.arithmetic_coder import TOTAL, Encoder, quantize
from lib.data.coding.byte_models import symbols_of
from lib.evaluation import Sandbox, run_program
from lib.nn import (
    VAR,
    VQVAE,
    ExactByteLM,
    GRUByteLM,
    JambaConfig,
    JambaLM,
    MixtureOfExperts,
    MultiScaleQuantizer,
    ReFT,
    ReFTConfig,
    Sampling,
    SmallDecoder,
    SmallEncoder,
    TokenAR,
    TransformerConfig,
    TransformerLM,
    VARConfig,
    generate,
)
from lib.training import fit, language_modelling_loss
from lib.workbench.evidence import hardware

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "kernels" / "BENCHMARKS.md"
SIZES = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_experts": 8,
    "num_experts_per_tok": 2,
}


def interleaved(candidates: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Median seconds of each candidate; they take turns, so that a slow moment of the machine meets all of them."""
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def training_step(model: torch.nn.Module, logits: Callable, tokens: torch.Tensor) -> Callable[[], None]:
    def step() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(logits(model, tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()

    return step


def hybrid_candidates(d_state: int, batch: int, length: int) -> dict[str, Callable[[], None]]:
    """One forward and backward of the same hybrid (Mamba, Mamba with experts, attention, Mamba with experts)."""
    from mambapy.jamba import Jamba as MambapyJamba
    from mambapy.jamba import JambaLMConfig as MambapyConfig
    from transformers import JambaConfig as TheirConfig
    from transformers import JambaForCausalLM

    torch.manual_seed(0)
    tokens = torch.randint(0, SIZES["vocab_size"], (batch, length + 1))
    ours = JambaLM(JambaConfig.from_pattern("MMAM", experts=True, mamba_d_state=d_state, **SIZES))
    periods = {"attn_layer_period": 4, "attn_layer_offset": 2, "expert_layer_period": 2, "expert_layer_offset": 1}
    theirs = JambaForCausalLM(
        TheirConfig(num_hidden_layers=4, mamba_d_state=d_state, use_cache=False, **periods, **SIZES)
    )
    mambapy = MambapyJamba(_mambapy_config(MambapyConfig, d_state, periods))
    head = torch.nn.Linear(SIZES["hidden_size"], SIZES["vocab_size"], bias=False)
    embed = torch.nn.Embedding(SIZES["vocab_size"], SIZES["hidden_size"])
    return {
        "ours": training_step(ours, lambda model, x: model(x), tokens),
        "transformers": training_step(theirs, lambda model, x: model(x, use_cache=False).logits, tokens),
        "mambapy": training_step(mambapy, lambda model, x: head(model(embed(x))[0]), tokens),
    }


def _mambapy_config(config_class, d_state: int, periods: dict):
    return config_class(
        d_model=SIZES["hidden_size"],
        n_layers=4,
        d_state=d_state,
        mlp_size=SIZES["intermediate_size"],
        num_attention_heads=SIZES["num_attention_heads"],
        num_key_value_heads=SIZES["num_key_value_heads"],
        num_experts=SIZES["num_experts"],
        num_experts_per_tok=SIZES["num_experts_per_tok"],
        vocab_size=SIZES["vocab_size"],
        use_cuda=False,
        **periods,
    )


def scan_inputs(length: int) -> list[torch.Tensor]:
    """Batch 8, 256 channels, 16 states, in the arguments' order; every one wants a gradient."""
    draw = torch.Generator().manual_seed(0)
    batch, dim, state = 8, 256, 16
    made = [
        torch.randn(batch, dim, length, generator=draw),
        torch.rand(batch, dim, length, generator=draw),
        -torch.arange(1.0, state + 1).repeat(dim, 1),
        torch.randn(batch, state, length, generator=draw),
        torch.randn(batch, state, length, generator=draw),
    ]
    return [tensor.requires_grad_() for tensor in made]


def scan_by_mambapy(u, delta, A, B, C) -> torch.Tensor:
    """mambapy's parallel scan, fed as its own Mamba layer feeds it; (batch, length, dim)."""
    from mambapy.pscan import pscan

    u, delta, B, C = (tensor.transpose(1, 2) for tensor in (u, delta, B, C))
    decay = torch.exp(delta.unsqueeze(-1) * A)
    states = pscan(decay, delta.unsqueeze(-1) * B.unsqueeze(2) * u.unsqueeze(-1))
    return (states @ C.unsqueeze(-1)).squeeze(-1)


def scan_by_mamba_ssm(u, delta, A, B, C) -> torch.Tensor:
    """mamba-ssm's reference, differentiated by autograd. Its module's import asks for a CUDA extension."""
    name = "selective_scan_cuda"
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        sys.modules[name] = types.ModuleType(name)
    with warnings.catch_warnings(action="ignore"):
        from mamba_ssm.ops.selective_scan_interface import selective_scan_ref

    return selective_scan_ref(u, delta, A, B, C)


SCANS = {"ours": selective_scan, "mambapy": scan_by_mambapy, "mamba-ssm": scan_by_mamba_ssm}


def gradient_step(function: Callable, inputs: list[torch.Tensor]) -> Callable[[], None]:
    def step() -> None:
        function(*inputs).sum().backward()
        for tensor in inputs:
            tensor.grad = None

    return step


def resident_peak() -> int:
    """Most bytes this process has held. Linux's own figure starts afresh with each program, `getrusage`'s does not."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_megabytes(name: str, length: int) -> float:
    """Resident memory that one forward and backward of a scan adds at its peak, in a process of its own."""
    script = (
        "from tests.benchmarks.races import SCANS, gradient_step, resident_peak, scan_inputs\n"
        f"gradient_step(SCANS[{name!r}], scan_inputs(16))()\n"
        f"inputs = scan_inputs({length}); before = resident_peak()\n"
        f"gradient_step(SCANS[{name!r}], inputs)(); print(resident_peak() - before)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the memory of {name}'s scan could not be measured: {done.stderr.strip()[-400:]}")
    return int(done.stdout) / 1e6


def expert_candidates(tokens: int, dim: int, width: int) -> dict[str, Callable[[], None]]:
    """Forward and backward of a layer of 16 experts, top-2, with the same weights in all."""
    from transformers import JambaConfig as TheirConfig
    from transformers.models.jamba.modeling_jamba import JambaSparseMoeBlock

    torch.manual_seed(0)
    layers = {"ours": MixtureOfExperts(dim, width, 16, 2)}
    for implementation in ("eager", "grouped_mm"):
        config = TheirConfig(hidden_size=dim, intermediate_size=width, num_experts=16, num_experts_per_tok=2)
        config._experts_implementation = implementation
        layers[implementation] = JambaSparseMoeBlock(config)
        layers[implementation].load_state_dict(layers["ours"].state_dict())
    x = torch.randn(1, tokens, dim, requires_grad=True)

    def step(layer: torch.nn.Module) -> Callable[[], None]:
        def run() -> None:
            layer.zero_grad(set_to_none=True)
            output = layer(x)
            (output[0] if isinstance(output, tuple) else output).sum().backward()

        return run

    return {name: step(layer) for name, layer in layers.items()}


def norm_candidates(rows: int, dim: int) -> dict[str, Callable[[], None]]:
    inputs = [torch.randn(rows, dim, requires_grad=True), torch.ones(dim, requires_grad=True)]
    theirs = gradient_step(lambda x, weight: F.rms_norm(x, (dim,), weight, 1e-6), inputs)
    return {"ours": gradient_step(rms_norm, inputs), "torch": theirs}


def convolution_candidates(length: int, batch: int, dim: int) -> dict[str, Callable[[], None]]:
    inputs = [torch.randn(length, batch, dim), torch.randn(dim, 4), torch.randn(dim)]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    return {"ours": gradient_step(causal_conv, inputs), "torch": gradient_step(causal_conv_reference, inputs)}


def routing_candidates(batch: int, length: int, dim: int, taken: int) -> dict[str, Callable[[], None]]:
    """Into and out of a routed block: gather, RMSNorm, weighted addition; the peer uses torch's gather and scatter."""
    draw = torch.Generator().manual_seed(0)
    indices = torch.rand(batch, length, generator=draw).topk(taken).indices.sort(1).values
    inputs = [torch.randn(batch, length, dim), torch.ones(dim), torch.rand(batch, taken)]
    inputs = [tensor.requires_grad_() for tensor in inputs]

    def ours(x, weight, gates):
        normed, rows = gather_rms_norm(x, indices, weight)
        return scatter_add_rows(x, indices, normed + rows, gates)

    def theirs(x, weight, gates):
        wide = indices[..., None].expand(-1, -1, dim)
        rows = x.gather(1, wide)
        return x.scatter_add(1, wide, gates[..., None] * (F.rms_norm(rows, (dim,), weight, 1e-6) + rows))

    return {"ours": gradient_step(ours, inputs), "torch": gradient_step(theirs, inputs)}


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


def window_rates(window: int = 16, streams: int = 2048, length: int = 512) -> tuple[float, float]:
    """Bytes per second of Equal-Info compression: all texts in lockstep, and one text at a time."""
    model, text = trained_byte_model()
    pieces = [text[i : i + length] for i in range(0, streams * length, length)]
    seconds = interleaved(
        {
            "lockstep": lambda: encode_windows(model, pieces, window),
            "one": lambda: [encode_windows(model, [piece], window) for piece in pieces[:8]],
        },
        3,
    )
    return streams * length / seconds["lockstep"], 8 * length / seconds["one"]


def code_candidates(rows: int, codes: int, dim: int) -> dict[str, Callable[[], object]]:
    """The nearest code of each row, beside the whole matrix of distances."""
    draw = torch.Generator().manual_seed(0)
    z, codebook = torch.randn(rows, dim, generator=draw), torch.randn(codes, dim, generator=draw)
    return {"ours": lambda: nearest_code(z, codebook), "cdist": lambda: torch.cdist(z, codebook).argmin(1)}


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


def reader(vocab: int = 1024) -> TransformerLM:
    """A language model of 40 million weights, eight blocks of width 640."""
    torch.manual_seed(0)
    return TransformerLM(TransformerConfig(vocab, 640, 8, 10, intermediate_size=1728, gated=True))


def adapter_candidates(batch: int, length: int) -> dict[str, Callable[[], None]]:
    """A finetuning step with AdamW of the same model: LoReFT (p7 + s7, r = 8, all blocks), all weights, peft's LoRA."""
    import peft

    tokens = torch.randint(0, 1024, (batch, length + 1))
    lengths = [length // 2] * batch
    reft = ReFT(reader(), ReFTConfig("LoReFT", tuple(range(8)), 8, 7, 7))
    targets = ["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"]
    lora = peft.get_peft_model(reader(), peft.LoraConfig(r=32, target_modules=targets))

    def step(model: torch.nn.Module, logits: Callable) -> Callable[[], None]:
        once, trained = training_step(model, logits, tokens), [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)

        def both() -> None:
            once()
            optimizer.step()

        return both

    return {
        "ours": step(reft, lambda model, x: model(x, lengths=lengths)),
        "full": step(reader(), lambda model, x: model(x)),
        "peft": step(lora, lambda model, x: model(x)),
    }


def writing_candidates(prompt: int, new: int) -> dict[str, Callable[[], object]]:
    """Greedy writing with edits in all blocks, and without."""
    plain = reader().eval()
    edited = ReFT(plain, ReFTConfig("LoReFT", tuple(range(8)), 8, 7, 7)).eval()
    tokens = torch.randint(0, 1024, (1, prompt))
    return {"ours": lambda: edited.generate(tokens, new), "plain": lambda: generate(plain, tokens, new)}


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def rows() -> list[tuple[str, str, str, str]]:
    """What, our time, the peer, and how many times ours the peer takes."""
    importlib.import_module("transformers.models.jamba.modeling_jamba")  # before mamba-ssm, whose CUDA it would call
    table = []

    def add(what: str, ours: str, ratios: dict[str, float]) -> None:
        table.extend((what, ours, peer, f"{ratio:.1f}x") for peer, ratio in ratios.items())
        print(f"{what}: {ours}, " + ", ".join(f"{peer} {ratio:.1f}x" for peer, ratio in ratios.items()), flush=True)

    def race(what: str, candidates: dict[str, Callable[[], object]], names: dict[str, str], repeats: int = 5) -> None:
        seconds = interleaved(candidates, repeats)
        add(
            what,
            milliseconds(seconds["ours"]),
            {names[n]: s / seconds["ours"] for n, s in seconds.items() if n in names},
        )

    peers = {"mambapy": "mambapy `pscan`", "mamba-ssm": "mamba-ssm `selective_scan_ref`"}
    # Autograd through the reference copies the whole (batch, dim, length, state) tensor once a step: minutes at 2048.
    for length, names, repeats in ((256, list(SCANS), 5), (2048, ["ours", "mambapy"], 3)):
        inputs = scan_inputs(length)
        candidates = {name: gradient_step(SCANS[name], inputs) for name in names}
        race(f"scan, batch 8, length {length}, dim 256, state 16", candidates, peers, repeats)
    memory = {name: peak_megabytes(name, 2048) for name in ("ours", "mambapy")}
    what = "its peak memory at length 2048, beyond the inputs"
    add(what, f"{memory['ours']:.0f} MB", {peers["mambapy"]: memory["mambapy"] / memory["ours"]})
    lengths = (512, 1024, 2048, 4096, 8192)
    seconds = interleaved({n: gradient_step(selective_scan, scan_inputs(n)) for n in lengths}, 3)
    slope = statistics.linear_regression([math.log(n) for n in lengths], [math.log(seconds[n]) for n in lengths]).slope
    costs = ", ".join(f"{seconds[n] / n * 1e6:.0f}" for n in lengths)
    table.append(
        (f"scan time per step at lengths {', '.join(map(str, lengths))}", f"{costs} µs", "length", f"^{slope:.2f}")
    )

    theirs = {"eager": "transformers, eager", "grouped_mm": "transformers, grouped_mm"}
    for tokens, dim, width in ((2048, 64, 128), (2048, 256, 512)):
        what = f"experts, {tokens} tokens, dim {dim}, width {width}, top-2 of 16"
        race(what, expert_candidates(tokens, dim, width), theirs, 15)
    for count, dim in ((2048, 64), (4096, 256), (2048, 1024)):
        race(f"RMSNorm, {count} rows of {dim}", norm_candidates(count, dim), {"torch": "`F.rms_norm`"}, 25)
    for length, batch, dim in ((128, 16, 128), (256, 8, 512)):
        what = f"causal convolution with SiLU, length {length}, batch {batch}, dim {dim}"
        race(what, convolution_candidates(length, batch, dim), {"torch": "`F.conv1d`, grouped"}, 15)
    for batch, length, dim, taken in ((16, 128, 64, 16), (8, 1024, 256, 128)):
        what = f"routing, batch {batch}, {taken} of {length} tokens, dim {dim}"
        race(
            what, routing_candidates(batch, length, dim, taken), {"torch": "`gather`, `F.rms_norm`, `scatter_add`"}, 25
        )
    for d_state, batch, length in ((4, 16, 128), (16, 8, 256)):
        what = f"hybrid training step, batch {batch}, length {length}, state {d_state}"
        race(what, hybrid_candidates(d_state, batch, length), {"transformers": "transformers", "mambapy": "mambapy"})

    for size in ((65_536, 256, 16), (24_576, 4096, 32)):
        what = f"nearest code, {size[0]} rows of {size[2]}, {size[1]} codes"
        race(what, code_candidates(*size), {"cdist": "`torch.cdist`, `argmin`"}, 7)
    names = {"raster": "raster AR, cached, 64 steps", "without_cache": "VAR without a cache"}
    for batch, repeats in ((1, 15), (16, 7), (64, 3)):
        race(f"VAR, 4 blocks of 96, guided, batch {batch}, 4 steps", image_candidates(batch), names, repeats)
    torch.manual_seed(0)
    tokenizer = VQVAE(SmallEncoder(), SmallDecoder(), MultiScaleQuantizer(256, 16, (1, 2, 4, 8))).eval()
    images = torch.rand(256, 3, 32, 32) * 2 - 1
    seconds = interleaved({"encode": lambda: tokenizer.encode(images)}, 5)["encode"]
    what = "tokenizer, 32 x 32 pixels to 85 codes, batch 256"
    table.append((what, f"{256 / seconds:.0f} images/s", "", ""))

    what = "finetuning step with LoReFT (r = 8, p7 + s7, 8 blocks of 640), batch 8, length 128"
    race(what, adapter_candidates(8, 128), {"full": "all weights", "peft": "LoRA r = 32 by peft"}, 9)
    seconds = interleaved(writing_candidates(64, 64), 25)
    overhead = seconds["ours"] / seconds["plain"] - 1
    what = "writing 64 tokens behind 64, edits in all 8 blocks of 640"
    table.append((what, milliseconds(seconds["ours"]), "the same without edits", f"{overhead:+.1%} time"))
    print(table[-1], flush=True)

    program = "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nprint(f(10))"
    with Sandbox() as forked, Sandbox(server=False) as fresh:
        boxes = {"ours": lambda: forked.run(program), "fresh": lambda: fresh.run(program)}
        race("sandbox, a short program, forked", boxes, {"fresh": "a fresh interpreter for each"}, 25)
        seconds = interleaved({"ours": lambda: run_program(program), "forked": boxes["ours"]}, 25)
        add(
            "the same in the subset of Python",
            milliseconds(seconds["ours"]),
            {"forked": seconds["forked"] / seconds["ours"]},
        )

    symbols = 2048 * 250
    seconds = interleaved(coder_candidates(), 5)
    rate = f"{symbols / seconds['ours'] / 1e6:.1f} million symbols/s"
    ratio = seconds["constriction"] / seconds["ours"]
    add("arithmetic coder, given tables, 2048 streams", rate, {"constriction, one stream": ratio})
    lockstep, one = window_rates()
    what = "Equal-Info Windows of 16 bits, M1 of 128 units, 2048 texts in lockstep"
    add(what, f"{lockstep / 1e3:.0f} KB/s", {f"one text at a time ({one / 1e3:.1f} KB/s)": lockstep / one})
    return table


def main() -> None:
    threads = min(2, os.cpu_count() or 1)
    torch.set_num_threads(threads)
    version = torch.__version__.split("+")[0]
    floors = [milliseconds(experts_floor(2048, *size)) for size in ((64, 128), (256, 512))]
    table = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Kernels and models: forward and backward in float32. A ratio is the peer's time (or",
        "memory) over ours, both measured in the same run, medians of interleaved repeats; above 1 ours is better.",
        "",
        f"{datetime.date.today()}, {hardware()}, {threads} threads, torch {version}.",
        "",
        "| what | ours | peer | ratio |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows()),
        "",
        "Where matrix products are most of the work, no form can be much faster than another: for the experts the bare",
        f"products alone take {floors[0]} and {floors[1]} of the times above.",
        "",
        "The Triton kernels were not timed: no GPU was at hand. The tests compile them for an H100 and run them in",
        "Triton's interpreter. Nothing is known yet against mamba-ssm's CUDA scan, Liger's RMSNorm, PyTorch's grouped",
        "matrix product and `torch.compile`.",
    ]
    RESULTS.write_text("\n".join(table) + "\n")
    print("\n".join(table[5:]))


def experts_floor(tokens: int, dim: int, width: int) -> float:
    """Seconds of the bare matrix products of one training step: 2 tokens of 16 experts, loads all equal."""
    share = tokens * 2 // 16
    x, gate_up, hidden = torch.randn(share, dim), torch.randn(2 * width, dim), torch.randn(share, 2 * width)
    active, down = torch.randn(share, width), torch.randn(dim, width)

    def products() -> None:
        for _ in range(16):
            torch.mm(x, gate_up.t())
            torch.mm(active, down.t())
            torch.mm(x, down)
            torch.mm(hidden, gate_up)
            torch.mm(hidden.t(), x)
            torch.mm(x.t(), active)

    return interleaved({"products": products}, 15)["products"]


if __name__ == "__main__":
    main()
