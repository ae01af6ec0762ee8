"""Code reaches the modules that it imports, by name; a digest is of code and not of words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lib.training.imports import closure, module_digest

HOUSE = {
    "lib/__init__.py": "",
    "lib/nn/__init__.py": "from lib.nn.attention import Attention\nfrom lib.nn.norms import RMSNorm\n",
    "lib/nn/attention.py": "import torch\nfrom kernels import scan\n\nclass Attention:\n    pass\n",
    "lib/nn/norms.py": "class RMSNorm:\n    pass\n",
    "lib/data/__init__.py": '"""Data."""\n',
    "lib/data/text/__init__.py": "",
    "lib/data/text/corpora.py": "from lib.nn import RMSNorm\n",
    "lib/runner.py": 'CHILD = "child.py"\n\ndef late():\n    import lib.data.text.corpora\n',
    "lib/child.py": "ANSWER = 1\n",
    "kernels/__init__.py": "from kernels.scan_forms import scan\n",
    "kernels/scan_forms.py": "def scan():\n    return 0\n",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name, text in HOUSE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def reached(root: Path, code: str, without: tuple[str, ...] = ()) -> set[str]:
    found = closure(root, ast.parse(code), {root / name for name in without})
    return {path.relative_to(root).as_posix() for path in found}


def test_a_name_is_followed_through_the_package_to_its_module_and_no_further(house):
    assert reached(house, "from lib.nn import RMSNorm") == {"lib/nn/norms.py"}


def test_what_is_reached_is_followed_in_turn(house):
    assert reached(house, "from lib.nn import Attention as A") == {"lib/nn/attention.py", "kernels/scan_forms.py"}


def test_a_module_can_be_imported_whole_or_from_its_package(house):
    wanted = {"lib/data/text/corpora.py", "lib/nn/norms.py"}
    assert reached(house, "import lib.data.text.corpora as c") == wanted
    assert reached(house, "from lib.data.text import corpora") == wanted


def test_an_import_inside_a_function_and_a_script_named_in_a_string_count(house):
    assert {"lib/child.py", "lib/data/text/corpora.py"} < reached(house, "from lib.runner import late")


def test_a_name_that_a_package_defines_itself_is_in_its_init(house):
    assert reached(house, "from lib.data import VERSION") == {"lib/data/__init__.py"}


def test_other_libraries_and_what_is_left_out_are_not_followed(house):
    assert reached(house, "import torch, libre\nfrom numpy import lib") == set()
    assert reached(house, "from lib.nn import Attention", without=("lib/nn/attention.py",)) == set()


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ('"""Told anew."""\ndef f(x):\n    """Other words."""\n    return x + 1  # why\n', True),
        ("def f(x):\n    return (x\n            + 1)\n", True),
        ("def f(x):\n    return x + 2\n", False),
        ("def f(x, y=0):\n    return x + 1\n", False),
    ],
)
def test_a_digest_is_of_the_code_and_not_of_its_words(tmp_path, other, same):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text('def f(x):\n    """Words."""\n    return x + 1\n')
    two.write_text(other)
    assert (module_digest(one) == module_digest(two)) is same


def test_a_function_of_nothing_but_words_has_a_digest(tmp_path):
    path = tmp_path / "words.py"
    path.write_text('class Problem(ValueError):\n    """Words."""\n\n\ndef later():\n    """Words."""\n')
    assert len(module_digest(path)) == 64


def test_an_edited_file_is_read_again(tmp_path):
    path = tmp_path / "one.py"
    path.write_text("X = 1\n")
    before = module_digest(path)
    path.write_text("X = 23\n")
    assert module_digest(path) != before
