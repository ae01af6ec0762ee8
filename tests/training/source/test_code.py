"""Functions, classes and modules: the user's by what they say, a library's by name and by what was put into it."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
from beartype import beartype
from jaxtyping import Float, jaxtyped
from torch import Tensor, nn

from lib.nn import VQVAE, RMSNorm
from lib.nn.layers import norms
from lib.training.source import source_digest
from tests.training.source.cells import run_cell


def digest(value: object) -> str:
    return source_digest(value, "value")


def test_wrappers_that_check_annotations_do_not_count_and_all_others_do():
    def plain(x: Float[Tensor, "rows dim"]) -> Tensor:
        return 2 * x

    assert digest(jaxtyped(typechecker=beartype)(plain)) == digest(beartype(plain)) == digest(plain)
    wrapped = functools.wraps(plain)(lambda x: plain(x) + 1)
    quiet = torch.no_grad()(plain)
    assert len({digest(plain), digest(wrapped), digest(quiet)}) == 3
    assert digest(torch.no_grad()(plain)) == digest(quiet)


def test_a_memo_counts_as_its_function_whatever_it_remembers():
    @functools.cache
    def square(x):
        return x * x

    before = digest(square)
    assert square(3) == 9 and digest(square) == before != digest(functools.cache(lambda x: x))


@pytest.mark.parametrize("log", ["seen.append(step)", "seen.extend([step])", "book.update(at=step)", "names.add(step)"])
def test_a_container_that_is_only_written_to_is_not_read(log):
    names = run_cell(f"seen, book, names = [], {{}}, set()\ndef batches(step):\n    {log}\n    return step")
    before = digest(names["batches"])
    names["batches"](3)
    assert any(names[name] for name in ("seen", "book", "names")) and digest(names["batches"]) == before
    names |= {"seen": (), "book": 0, "names": 0}
    assert digest(names["batches"]) != before


def test_a_container_that_is_read_as_well_counts_by_content():
    names = run_cell("seen = []\ndef batches(step):\n    seen.append(step)\n    return len(seen)")
    before = digest(names["batches"])
    names["batches"](3)
    assert digest(names["batches"]) != before


def test_of_an_object_only_the_attributes_that_are_read_count():
    names = run_cell("""
        class Settings:
            def __init__(self): self.rate, self.other = 1, 2
            @property
            def double(self): return 2 * self.rate
        settings = Settings()
        def plain(x): return settings.rate
        def computed(x): return settings.double
    """)
    plain, computed = digest(names["plain"]), digest(names["computed"])
    names["settings"].other = 3
    assert digest(names["plain"]) == plain and digest(names["computed"]) != computed  # a property may read all
    names["settings"].rate = 3
    assert digest(names["plain"]) != plain


def test_methods_count_with_their_object_and_classes_with_their_parents():
    cell = """
        class Parent:
            factor = 2
            @staticmethod
            def helper(x): return x
            @classmethod
            def make(cls): return cls()
        class Child(Parent):
            def __init__(self, shift=0): self.shift = shift
            def loss(self, x): return self.helper(x) * self.factor + self.shift
            @property
            def name(self): return "child"
    """
    before = digest(run_cell(cell)["Child"]().loss)
    assert digest(run_cell(cell)["Child"]().loss) == before != digest(run_cell(cell)["Child"](1).loss)
    edits = [
        ("factor = 2", "factor = 3"),
        ("return x\n", "return -x\n"),
        ("return cls()", "return cls"),
        ('"child"', '"c"'),
    ]
    for old, new in edits:
        assert digest(run_cell(cell.replace(old, new))["Child"]().loss) != before, old


def test_a_library_counts_by_name_and_with_what_was_put_into_it(monkeypatch):
    def loss(model, batch):
        return RMSNorm(4)(batch).mean()

    before, other = digest(loss), digest(VQVAE)
    names = run_cell("def forward(self, x):\n    return x")
    monkeypatch.setattr("__main__.forward", names["forward"], raising=False)
    monkeypatch.setattr(RMSNorm, "forward", lambda self, x: x)
    assert digest(loss) != before and digest(VQVAE) == other
    monkeypatch.undo()
    assert digest(loss) == before
    monkeypatch.setattr(RMSNorm, "scale", 3, raising=False)
    assert digest(loss) != before


def test_a_function_put_into_a_librarys_module_is_read(monkeypatch):
    def loss(model, batch):
        return norms.rms_norm(batch) + F.silu(batch)

    before = digest(loss)
    monkeypatch.setattr(norms, "rms_norm", lambda x: x)
    assert digest(loss) != before


def test_a_module_of_the_users_own_is_read(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "my_losses", raising=False)
    file = tmp_path / "my_losses.py"
    file.write_text("weight = 1\nunused = 2\ndef loss(x):\n    return weight * x\n")
    import my_losses

    attribute = run_cell("import my_losses\ndef f(x): return my_losses.loss(x)")["f"]
    inside = run_cell("def f(x):\n    from my_losses import loss\n    return loss(x)")["f"]
    whole = run_cell("import my_losses\ndef f(x): return vars(my_losses)")["f"]
    before = [digest(f) for f in (attribute, inside, whole)]
    my_losses.unused = 3
    assert [digest(f) == old for f, old in zip((attribute, inside, whole), before, strict=True)] == [True, True, False]
    my_losses.weight = 2
    assert all(digest(f) != old for f, old in zip((attribute, inside, whole), before, strict=True))


def test_an_import_that_fails_and_an_empty_cell_are_no_obstacle():
    names = run_cell("""
        def outer():
            def f(x):
                try:
                    import nobody_has_this
                except ImportError:
                    return later
            return f
            later = 1
        f = outer()
    """)
    assert digest(names["f"]) == digest(names["f"])


def test_layers_of_one_class_differ_by_what_they_hold():
    assert digest(nn.Dropout(0.1)) == digest(nn.Dropout(0.1)) != digest(nn.Dropout(0.2))
    assert digest(nn.ReLU()) != digest(nn.GELU())
