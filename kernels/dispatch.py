"""Which form of a kernel runs: Triton on a GPU, the fastest PyTorch form elsewhere, or what WORKBENCH_KERNELS says.

    auto     (default) Triton where the tensors lie on a GPU and Triton is installed, PyTorch otherwise
    triton   Triton everywhere; on a machine without a GPU its interpreter runs the kernels, slowly, in NumPy
    torch    PyTorch everywhere

A kernel's module takes `tl`, `triton` and `jit` from here, so that it can be imported where Triton cannot.
"""

import importlib.util
import os
from types import SimpleNamespace

import torch
from torch import Tensor

CHOICES = ("auto", "triton", "torch")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""What the Triton kernels compute in; float64 always takes the PyTorch form."""

HAS_GPU = torch.cuda.is_available()
HAS_TRITON = importlib.util.find_spec("triton") is not None

if HAS_TRITON:
    if not HAS_GPU:
        # Triton reads this when it is first imported. Without a GPU nothing else could run its kernels.
        os.environ.setdefault("TRITON_INTERPRET", "1")
    import triton
    import triton.language as tl

    jit = triton.jit
    # Triton's own functions show what it was told at its first import; setting the variable later comes too late.
    INTERPRETED = not isinstance(tl.sum, triton.JITFunction)
else:
    triton = None
    tl = SimpleNamespace(constexpr=lambda value: value)
    INTERPRETED = False

    def jit(kernel):
        return kernel


def takes_triton(**tensors: Tensor | None) -> bool:
    """Whether these arguments, given by name, go to the Triton kernel.

    Raises ValueError when they lie on different devices or WORKBENCH_KERNELS is none of its three words, TypeError
    when one is not floating point, and RuntimeError when Triton is asked for and cannot run.
    """
    choice = os.environ.get("WORKBENCH_KERNELS", "auto")
    if choice not in CHOICES:
        raise ValueError(f"WORKBENCH_KERNELS must be one of {', '.join(CHOICES)}, got {choice!r}")
    present = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first = next(iter(present))
    device = present[first].device
    for name, tensor in present.items():
        if tensor.device != device:
            raise ValueError(f"{name} must lie on {first}'s device, {device}, got {tensor.device}")
        if not tensor.is_floating_point():
            raise TypeError(f"{name} must be float32, bfloat16, float16 or float64, got {_name(tensor.dtype)}")
    if choice == "torch" or any(tensor.dtype not in DTYPES for tensor in present.values()):
        return False
    if choice == "auto":
        return HAS_TRITON and not INTERPRETED and device.type == "cuda"
    if not HAS_TRITON:
        raise RuntimeError("WORKBENCH_KERNELS=triton needs the package triton, which is not installed here")
    if device.type == "cpu" and not INTERPRETED:
        raise RuntimeError(
            "WORKBENCH_KERNELS=triton on CPU tensors needs TRITON_INTERPRET=1 set before Triton is first imported"
        )
    return True


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def check_shapes(**expected: tuple[Tensor | None, tuple[int, ...]]) -> None:
    """One sentence for the first argument, given as name=(tensor, shape), whose shape is not the one it must have."""
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tuple(tensor.shape) != tuple(shape):
            raise ValueError(f"{name} must have shape {tuple(shape)}, got {tuple(tensor.shape)}")


def check_types(x: Tensor, **others: Tensor | None) -> None:
    """One sentence for the first of `others` whose type is not that of the argument called x."""
    for name, tensor in others.items():
        if tensor is not None and tensor.dtype != x.dtype:
            raise TypeError(f"{name} must have x's type, {_name(x.dtype)}, got {_name(tensor.dtype)}")


def check_indices(x: Tensor, low: int, high: int, **indices: Tensor) -> None:
    """One sentence for the first of `indices` that is no integer, lies elsewhere than x or leaves low..high.

    The range is looked at on a CPU only: on a GPU it would stall the device.
    """
    for name, tensor in indices.items():
        if tensor.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"{name} must be int64 or int32, got {_name(tensor.dtype)}")
        if tensor.device != x.device:
            raise ValueError(f"{name} must lie on x's device, {x.device}, got {tensor.device}")
        if tensor.device.type == "cpu" and tensor.numel():
            least, most = (int(bound) for bound in tensor.aminmax())
            if least < low or most > high:
                raise ValueError(f"{name} must be in {low}..{high}, got {least}..{most}")
