"""Our Llama from a GGUF file against Hugging Face's, which reads the same file with a reader of its own."""

from __future__ import annotations

import pytest
import torch

from lib.nn import TransformerLM
from tests.nn.language.tiny_gguf import FIELDS, VOCAB, random_weights, write

pytestmark = pytest.mark.real
TOKENS = torch.randint(0, VOCAB, (3, 17), generator=torch.Generator().manual_seed(0))
VARIANTS = {
    "four bits": ({}, "Q4_1", True),
    "eight bits": ({}, "Q8_0", True),
    "half precision": ({}, "F16", True),
    "an output matrix of its own": ({}, "F32", False),
    "another base of the angles": ({"rope.freq_base": 1e6}, "F32", True),
}


@pytest.mark.parametrize(("fields", "kind", "tied"), VARIANTS.values(), ids=list(VARIANTS))
def test_logits_are_those_of_transformers(tmp_path, fields, kind, tied):
    from transformers import AutoModelForCausalLM

    write(tmp_path / "model.gguf", FIELDS | fields, random_weights(tied=tied), kind)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = theirs(TOKENS).logits
        assert expected.std() > 0.1
        ours = TransformerLM.from_gguf(tmp_path / "model.gguf")(TOKENS)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
