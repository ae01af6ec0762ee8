"""Every public function of `lib.nn` and `kernels` says what it takes and gives, and says it truly (see conftest)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import pytest
import torch
from jaxtyping import TypeCheckError

import kernels
import lib.nn
from lib.nn import Attention


def modules() -> list[str]:
    packages = (kernels, lib.nn)
    names = [m.name for p in packages for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")]
    return [name for name in names if not name.startswith("kernels.triton")]  # their arguments are Triton's


def public_functions(module) -> Iterator[tuple[str, typing.Any]]:
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            if value.__dict__.get("_is_protocol"):
                continue  # checked by the type checker where it is asked for; its constructor is typing's own
            for attribute, member in vars(value).items():
                member = getattr(member, "__func__", getattr(member, "fget", member))
                is_public = not attribute.startswith("_") or attribute in ("__init__", "__call__")
                if is_public and inspect.isfunction(member) and not issubclass(value, torch.autograd.Function):
                    yield f"{name}.{attribute}", member
        elif inspect.isfunction(value):
            yield name, value


@pytest.mark.parametrize("name", modules())
def test_public_functions_are_annotated_completely(name):
    module = importlib.import_module(name)
    for label, function in public_functions(module):
        hints = typing.get_type_hints(inspect.unwrap(function))
        parameters = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
        missing = [p for p in parameters if p not in hints]
        if not label.endswith("__init__") and "return" not in hints:
            missing.append("return")
        assert not missing, f"{name}.{label} does not say what {missing} are"


def test_a_wrong_shape_is_caught():
    with pytest.raises(TypeCheckError, match="batch length dim"):
        Attention(16, 2)(torch.zeros(5, 16))
    with pytest.raises(TypeCheckError, match="positions"):
        Attention(16, 2)(torch.zeros(1, 5, 16), positions=torch.zeros(1, 5))
