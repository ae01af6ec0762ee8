"""Weights from files: what was saved is what is loaded, nothing is unpickled, one sentence for anything else."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lib.nn import load_weights, read_weights


def test_what_was_saved_is_what_is_loaded(tmp_path):
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).half()
    torch.save(layer.state_dict(), tmp_path / "layer.pth")
    save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    for name in ("layer.pth", "layer.safetensors"):
        weights = read_weights(tmp_path / name)
        assert weights["weight"].dtype == torch.float16 and torch.equal(weights["weight"], layer.weight)
        other = nn.Linear(3, 2).half()
        load_weights(other, tmp_path / name)
        assert torch.equal(other.bias, layer.bias)


class Harmful:
    """Would write a file while it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_code_of_a_file_runs(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"weight": Harmful(trace)}, tmp_path / "harmful.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"weight": Harmful(trace)}, protocol=2))
    for name in ("harmful.pth", "plain.pth"):
        with pytest.raises(ValueError, match=rf"^'{name}' is no PyTorch file of plain tensors: "):
            read_weights(tmp_path / name)
    assert not trace.exists()


def test_a_file_that_is_something_else_gets_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^there is no checkpoint 'none.pth'$"):
        read_weights(tmp_path / "none.pth")
    for name, kind in (("text.safetensors", "safetensors"), ("text.pth", "PyTorch"), ("empty.pth", "PyTorch")):
        (tmp_path / name).write_text("" if name.startswith("empty") else "no weights at all")
        with pytest.raises(ValueError, match=rf"^'{name}' is no {kind} file of plain tensors: [^\n]*$"):
            read_weights(tmp_path / name)
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"^'list.pth' must hold tensors by name, got list$"):
        read_weights(tmp_path / "list.pth")
    torch.save({"weight": torch.zeros(5)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"^weights of 'other.pth' do not fit the model: [^\n]*$"):
        load_weights(nn.Linear(3, 2), tmp_path / "other.pth")
