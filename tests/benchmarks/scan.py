"""Selective scan.

Peak memory is what one forward and backward adds to a process of its own, beyond the inputs. The exponent is the
slope of the time over the length, both as logarithms: 1 is linear.
"""

from __future__ import annotations

import importlib.util
import math
import re
import statistics
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from kernels import selective_scan
from tests.benchmarks.registry import DEVICE, Bench, Result
from tests.benchmarks.steps import gradient_step, leaves

ROOT = Path(__file__).resolve().parents[2]
PEERS = {"mambapy": "mambapy `pscan`", "mamba-ssm": "mamba-ssm `selective_scan_ref`"}
LENGTHS = (512, 1024, 2048, 4096, 8192)


def results(bench: Bench) -> Iterator[Result]:
    importlib.import_module("transformers.models.jamba.modeling_jamba")  # before mamba-ssm, whose CUDA it would call
    # Autograd through mamba-ssm's reference copies the whole (batch, dim, length, state) tensor once a step: minutes
    # at length 2048.
    for length, names, repeats in ((256, list(SCANS), 5), (2048, ["ours", "mambapy"], 3)):
        inputs = scan_inputs(length, DEVICE)
        candidates = {name: gradient_step(SCANS[name], inputs) for name in names}
        case = f"batch 8, length {length}, dim 256, state 16"
        yield from bench.race(case, candidates, PEERS, repeats, DEVICE)
    memory = {name: peak_megabytes(name, 2048) for name in ("ours", "mambapy")}
    ratio = memory["mambapy"] / memory["ours"]
    yield Result("peak memory at length 2048", "MB", memory["ours"], PEERS["mambapy"], memory["mambapy"], ratio)
    candidates = {str(n): gradient_step(selective_scan, scan_inputs(n, DEVICE)) for n in LENGTHS}
    seconds = list(bench.seconds(candidates, 3).values())
    for length, value in zip(LENGTHS, seconds, strict=True):
        yield Result(f"time per step at length {length}", "µs", value / length * 1e6, device=DEVICE.type)
    slope = statistics.linear_regression([math.log(n) for n in LENGTHS], [math.log(s) for s in seconds]).slope
    yield Result(f"growth of the time, lengths {LENGTHS[0]} to {LENGTHS[-1]}", "(exponent)", slope, device=DEVICE.type)


def scan_inputs(length: int, device: torch.device) -> list[torch.Tensor]:
    """Batch 8, 256 channels, 16 states, in the arguments' order; every one wants a gradient."""
    draw = torch.Generator().manual_seed(0)
    batch, dim, d_state = 8, 256, 16
    return leaves(
        torch.randn(batch, dim, length, generator=draw),
        torch.rand(batch, dim, length, generator=draw),
        -torch.arange(1.0, d_state + 1).repeat(dim, 1),
        torch.randn(batch, d_state, length, generator=draw),
        torch.randn(batch, d_state, length, generator=draw),
        device=device,
    )


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
        "import torch; from tests.benchmarks.scan import SCANS, gradient_step, resident_peak, scan_inputs\n"
        f"cpu = torch.device('cpu'); gradient_step(SCANS[{name!r}], scan_inputs(16, cpu))()\n"
        f"inputs = scan_inputs({length}, cpu); before = resident_peak()\n"
        f"gradient_step(SCANS[{name!r}], inputs)(); print(resident_peak() - before)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the memory of {name}'s scan could not be measured: {done.stderr.strip()[-400:]}")
    return int(done.stdout) / 1e6
