"""Our encoder against Hugging Face's BertModel on random tiny checkpoints read from disk, in both directions."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertModel

from lib.nn import TextEncoder

TINY = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 20,
}
DRAW = torch.Generator().manual_seed(0)
TOKENS = torch.randint(0, 60, (3, 17), generator=DRAW)
MASK = torch.arange(17) < torch.tensor([[17], [9], [2]])


def random_checkpoint(folder, kind=BertModel, **changes):
    torch.manual_seed(0)
    theirs = kind(BertConfig(**TINY | changes)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    theirs.save_pretrained(folder)
    return theirs


def assert_same_states(ours, theirs):
    with torch.no_grad():
        expected = theirs(TOKENS, attention_mask=MASK.long()).last_hidden_state
        states = ours(TOKENS, MASK)
    torch.testing.assert_close(states[MASK], expected[MASK], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"type_vocab_size": 1}, {"layer_norm_eps": 1e-3}, {"num_attention_heads": 1}])
def test_hidden_states_are_berts_in_both_directions(tmp_path, changes):
    theirs = random_checkpoint(tmp_path / "theirs", **changes)
    ours = TextEncoder.from_pretrained(tmp_path / "theirs")
    assert_same_states(ours, theirs)
    ours.save_pretrained(tmp_path / "ours")
    again = BertModel.from_pretrained(tmp_path / "ours", add_pooling_layer=False).eval()
    assert_same_states(ours, again)
    assert TextEncoder.from_pretrained(tmp_path / "ours").config == ours.config


def test_a_model_with_a_head_is_read_without_it(tmp_path):
    theirs = random_checkpoint(tmp_path, BertForMaskedLM)
    assert_same_states(TextEncoder.from_pretrained(tmp_path), theirs.bert)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "^model_type must be 'bert', got 'roberta'$"),
        ({"hidden_act": "relu"}, "^hidden_act must be 'gelu', got 'relu'$"),
        ({"position_embedding_type": "relative_key"}, "^position_embedding_type must be 'absolute', got"),
        ({"is_decoder": True}, "^is_decoder must be False, got True$"),
        ({"num_hidden_layers": 3}, "^num_hidden_layers must be the number of layers among the weights, 2, got 3"),
        ({"intermediate_size": 40}, r"must have shape \(40, 32\), got \(48, 32\)$"),
    ],
)
def test_a_field_that_ours_cannot_follow_is_refused(tmp_path, changes, message):
    random_checkpoint(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        TextEncoder.from_pretrained(tmp_path)
