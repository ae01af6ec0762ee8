"""Which form of a kernel runs: Triton on a GPU, the fastest PyTorch form elsewhere, or what WORKBENCH_KERNELS says.

    auto     (default) Triton where the tensors lie on a GPU and Triton is installed, PyTorch otherwise
    triton   Triton everywhere; on a machine without a GPU its interpreter runs the kernels, slowly, in NumPy
    torch    PyTorch everywhere

The Triton forms lie in `kernels/triton/` under the same module names. They are imported when the first of them runs,
so that everything else works where Triton cannot be installed.
"""

import ast
import importlib.util
import os
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

CHOICES = ("auto", "triton", "torch")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""What the Triton kernels compute in; float64 always takes the PyTorch form."""

HAS_GPU = torch.cuda.is_available()
HAS_TRITON = importlib.util.find_spec("triton") is not None

if HAS_TRITON and not HAS_GPU:
    # Triton reads this when it is first imported. Without a GPU nothing else could run its kernels.
    os.environ.setdefault("TRITON_INTERPRET", "1")


@cache
def interpreted() -> bool:
    """Whether Triton's interpreter runs the kernels: settled by TRITON_INTERPRET when Triton was first imported."""
    if not HAS_TRITON:
        return False
    import triton
    import triton.language as tl

    # Triton's own functions show what it was told then; the variable itself may have been set later.
    return not isinstance(tl.sum, triton.JITFunction)


def can_launch(device: torch.device) -> bool:
    """Whether a Triton kernel can run on tensors of this device, given that Triton is installed."""
    return device.type == "cuda" or interpreted()


def takes_triton(*tensors: Tensor | None) -> bool:
    """Whether these arguments, all on one device, go to the Triton kernel. None stands for an argument left out.

    Raises ValueError when WORKBENCH_KERNELS is none of its three words, RuntimeError when it asks for Triton and
    Triton cannot run.
    """
    choice = os.environ.get("WORKBENCH_KERNELS", "auto")
    if choice not in CHOICES:
        raise ValueError(f"WORKBENCH_KERNELS must be one of {', '.join(CHOICES)}, got {choice!r}")
    present = [tensor for tensor in tensors if tensor is not None]
    device = present[0].device
    if choice == "torch" or any(tensor.dtype not in DTYPES for tensor in present):
        return False
    if choice == "auto":
        return HAS_TRITON and device.type == "cuda" and not interpreted()
    if not HAS_TRITON:
        raise RuntimeError("WORKBENCH_KERNELS=triton needs the package triton, which is not installed here")
    if not can_launch(device):
        raise RuntimeError(
            "WORKBENCH_KERNELS=triton on CPU tensors needs TRITON_INTERPRET=1 set before Triton is first imported"
        )
    return True


def check_tensors(**tensors: object) -> None:
    """Raise TypeError unless every argument, given by name, is a tensor with its numbers in memory."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor.layout != torch.strided:
            raise TypeError(f"{name} must be a dense tensor, got {str(tensor.layout).removeprefix('torch.')}")


def check_floating(**tensors: Tensor | None) -> None:
    """Raise TypeError unless every tensor, given by name, is floating point, ValueError unless all share a device."""
    present = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first = next(iter(present))
    device = present[first].device
    for name, tensor in present.items():
        if tensor.device != device:
            raise ValueError(f"{name} must lie on {first}'s device, {device}, got {tensor.device}")
        if tensor.dtype not in (*DTYPES, torch.float64):
            raise TypeError(f"{name} must be float32, bfloat16, float16 or float64, got {_name(tensor.dtype)}")


def check_shapes(**expected: tuple[Tensor | None, tuple[int, ...]]) -> None:
    """Raise ValueError unless every argument, given as name=(tensor, shape), has that shape; None has any."""
    check_tensors(**{name: tensor for name, (tensor, _) in expected.items() if tensor is not None})
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tuple(tensor.shape) != tuple(shape):
            raise ValueError(f"{name} must have shape {tuple(shape)}, got {tuple(tensor.shape)}")


def check_types(x: Tensor, **others: Tensor | None) -> None:
    """Raise TypeError unless each of `others` has the type of the argument called x."""
    for name, tensor in others.items():
        if tensor is not None and tensor.dtype != x.dtype:
            raise TypeError(f"{name} must have x's type, {_name(x.dtype)}, got {_name(tensor.dtype)}")


def check_indices(x: Tensor, low: int, high: int, **indices: Tensor) -> None:
    """Raise TypeError unless `indices` are integers, ValueError unless they lie on x's device and in low..high.

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


def kernel_source(module: str, kernel: str) -> str:
    """The text of a function of `kernels/triton/MODULE.py`, read from the file: Triton need not be installed.

    Raises ValueError when there is no such module or no such function in it.
    """
    folder = Path(__file__).with_name("triton")
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    if module not in names:
        raise ValueError(f"module must be one of {', '.join(names)}, got {module!r}")
    text = (folder / f"{module}.py").read_text(encoding="utf-8")
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    if kernel not in functions:
        raise ValueError(f"kernel must be one of {', '.join(functions)}, got {kernel!r}")
    return ast.get_source_segment(text, functions[kernel])


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
