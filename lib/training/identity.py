"""What makes a training run this one and no other, as short digests: two runs must not be mixed without a word."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Callable

from torch import Tensor, nn

from lib.training.source.code import listing, without_checker
from lib.training.source.values import PLAIN

CODE = "code of lib and kernels"
"""The one digest whose change is told and not refused: most edits change no number."""


def run_digests(model: nn.Module, objective: Callable) -> dict[str, str]:
    """By the name that an error gives it: the objective, the model's layers, what of it is trained, types, and CODE.

    Layers count as they print themselves, dropout and epsilons with them.
    """
    from lib.training.cache import code_fingerprint

    parameters = dict(model.named_parameters())
    trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
    kinds = {name: str(value.dtype) for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    return {
        "objective": _digest(_described(objective)),
        "model": _digest(repr(model)),
        "list of trained parameters": _digest(trained),
        "number format": _digest(kinds),
        CODE: code_fingerprint()[:16],
    }


def _described(function: object) -> list:
    """Instructions of a function and the plain values beside them: defaults, closure, globals that it names.

    What these hold beyond plain values (the model, data) is not looked at: it changes while a run goes on.
    """
    if isinstance(function, functools.partial):
        plain = [repr(value) for value in (*function.args, *function.keywords.values()) if type(value) in PLAIN]
        return ["partial", *_described(function.func), *plain]
    function = getattr(function, "__func__", function)
    if not isinstance(function, types.FunctionType):
        kind = type(function)
        function = vars(kind).get("forward", vars(kind).get("__call__"))
        if not isinstance(function, types.FunctionType):
            return [kind.__name__]
    function = without_checker(function)
    beside = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    values = {name: cell.cell_contents for name, cell in beside.items() if _is_filled(cell)}
    values |= {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    plain = [[name, repr(value)] for name, value in sorted(values.items()) if type(value) in PLAIN]
    return [listing(function.__code__), plain, [repr(value) for value in defaults if type(value) in PLAIN]]


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
