"""Run kernels' public functions with each launch replaced by a compilation for an H100 (no GPU needed).

Started in a process of its own, since Triton's interpreter, which the tests here use, cannot compile.
"""

import os

os.environ |= {"TRITON_INTERPRET": "0", "WORKBENCH_KERNELS": "triton"}

import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction, KernelInterface

from kernels import dispatch

TYPES = {
    torch.float32: "*fp32",
    torch.bfloat16: "*bf16",
    torch.float16: "*fp16",
    torch.int32: "*i32",
    torch.int64: "*i64",
    torch.bool: "*i1",
}
compiled: list[str] = []
dispatch.can_launch = lambda device: True  # lets CPU tensors through; nothing is launched


def compile_launch(kernel: JITFunction, *args, **kwargs) -> None:
    bound = dict(zip(kernel.arg_names, args, strict=False)) | kwargs
    options = {name: bound.pop(name) for name in ("num_warps", "num_stages") if name in bound}
    constants = {  # as at a real launch, a 1 becomes part of the program
        name: bound[name]
        for name, parameter in zip(kernel.arg_names, kernel.params, strict=True)
        if parameter.is_constexpr or (isinstance(bound[name], int) and bound[name] == 1)
    }
    signature = {name: "constexpr" if name in constants else _type(bound[name]) for name in kernel.arg_names}
    positions = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    result = triton.compile(ASTSource(kernel, signature, positions), target=GPUTarget("cuda", 90, 32), options=options)
    assert result.asm["ptx"]
    compiled.append(kernel.__name__)


def _type(value) -> str:
    if isinstance(value, torch.Tensor):
        return TYPES[value.dtype]
    return "fp32" if isinstance(value, float) else "i32"


KernelInterface.__getitem__ = lambda kernel, grid: lambda *args, **kwargs: compile_launch(kernel, *args, **kwargs)


def scan(dtype):
    from kernels import selective_scan

    for batch, length, d_state, full in ((2, 7, 16, True), (1, 1, 1, True), (2, 7, 5, False)):
        u, delta, z = (torch.rand(batch, 40, length, dtype=dtype, requires_grad=True) for _ in range(3))
        B, C = torch.rand(batch, d_state, length, dtype=dtype), torch.rand(batch, d_state, length, dtype=dtype)
        A, D = -torch.rand(40, d_state), torch.rand(40)
        extra = {"D": D, "z": z, "delta_bias": D, "initial_state": torch.rand(batch, 40, d_state)} if full else {}
        fixed = torch.rand(40, d_state, dtype=dtype, requires_grad=True)
        for B_here, C_here in ((B, C), (fixed, C), (B, fixed), (fixed, fixed)):
            selective_scan(u, delta, A, B_here, C_here, delta_softplus=full, **extra).sum().backward()


def step(dtype):
    from kernels import selective_state_update

    for batch, d_state, full in ((2, 16, True), (1, 1, True), (2, 5, False)):
        x, dt, z = (torch.rand(batch, 40, dtype=dtype) for _ in range(3))
        A, D, B, C = -torch.rand(40, d_state), torch.rand(40), *torch.rand(2, batch, d_state, dtype=dtype)
        extra = {"D": D, "z": z, "dt_bias": D} if full else {}
        selective_state_update(torch.rand(batch, 40, d_state), x, dt, A, B, C, dt_softplus=full, **extra)


def norm(dtype):
    from kernels import rms_norm

    for dim, unit_offset in ((1, False), (48, True), (5000, False)):
        x = torch.rand(3, dim, dtype=dtype, requires_grad=True)
        rms_norm(x, torch.ones(dim), unit_offset=unit_offset).sum().backward()


def experts(dtype):
    from kernels import grouped_experts

    for tokens, dim, width, count in ((1, 1, 1, 1), (400, 64, 128, 2)):
        x = torch.rand(tokens, dim, dtype=dtype, requires_grad=True)
        gate_up, down = torch.rand(count, 2 * width, dim, dtype=dtype), torch.rand(count, dim, width, dtype=dtype)
        chosen = torch.zeros(tokens, 1, dtype=torch.int64)
        weights = torch.rand(tokens, 1, dtype=dtype)
        leaves = (gate_up.requires_grad_(), down.requires_grad_(), chosen, weights)
        grouped_experts(x, *leaves).sum().backward()


def convolution(dtype):
    from kernels import causal_conv

    for length, width, full in ((7, 4, True), (1, 1, False), (7, 3, False)):
        x = torch.rand(length, 2, 40, dtype=dtype, requires_grad=True)
        extra = {"bias": torch.rand(40), "past": torch.rand(width - 1, 2, 40, dtype=dtype)} if full else {}
        causal_conv(x, torch.rand(40, width), **extra).sum().backward()


def routing(dtype):
    from kernels import gather_rms_norm, scatter_add_rows

    for length, dim, capacity in ((9, 40, 3), (1, 1, 1)):
        x, updates = torch.rand(2, length, dim, dtype=dtype), torch.rand(2, capacity, dim, dtype=dtype)
        indices, gates = torch.zeros(2, capacity, dtype=torch.int64), torch.rand(2, capacity, dtype=dtype)
        gather_rms_norm(x.requires_grad_(), indices, torch.ones(dim))[0].sum().backward()
        scatter_add_rows(x, indices, updates.requires_grad_(), gates).sum().backward()
        scatter_add_rows(x.detach(), indices, updates.detach(), gates, inplace=True)


def nearest(dtype):
    from kernels import nearest_code

    for rows, codes, dim in ((100, 64, 16), (1, 1, 1), (70, 4096, 32)):
        nearest_code(torch.rand(rows, dim, dtype=dtype), torch.rand(codes, dim, dtype=dtype))


CASES = {
    "selective_scan": scan,
    "selective_state_update": step,
    "rms_norm": norm,
    "experts": experts,
    "causal_conv": convolution,
    "token_routing": routing,
    "nearest_code": nearest,
}

if __name__ == "__main__":
    for dtype in (torch.float32, torch.bfloat16):
        CASES[sys.argv[1]](dtype)
    print(*sorted(set(compiled)))
