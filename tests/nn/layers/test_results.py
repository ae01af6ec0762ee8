"""Notes of the last call stay out of copies, which are made of models that have just been called."""

from __future__ import annotations

import copy
import io

import pytest
import torch

from lib.nn import DepthConfig, DepthLM, JambaConfig, JambaLM, routings

SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}


def models():
    torch.manual_seed(0)
    yield JambaLM(
        JambaConfig.from_pattern("MA", vocab_size=30, num_key_value_heads=1, experts=True, num_experts=4, **SIZES)
    )
    yield DepthLM(DepthConfig(30, num_hidden_layers=2, every=2, **SIZES))
    yield DepthLM(DepthConfig(30, num_hidden_layers=2, every=1, num_experts=4, expert_capacity=1.0, **SIZES))


@pytest.mark.parametrize("model", list(models()), ids=lambda model: type(model).__name__)
def test_a_model_is_copied_and_pickled_after_a_forward_pass_in_training(model):
    tokens = torch.randint(0, 30, (2, 9))
    model.train()(tokens).square().mean().backward()
    noted = [logits for logits in model.router_logits() if logits is not None]
    again = copy.deepcopy(model)
    torch.save(model, io.BytesIO())
    assert not [logits for logits in again.router_logits() if logits is not None]
    assert len([logits for logits in model.router_logits() if logits is not None]) == len(noted)
    assert torch.equal(again.eval()(tokens), model.eval()(tokens))


def test_a_copy_asked_for_routings_says_that_it_was_not_called():
    model = DepthLM(DepthConfig(30, num_hidden_layers=2, every=2, **SIZES))
    model(torch.zeros(1, 8, dtype=torch.long))
    assert len(routings(model)) == 1
    with pytest.raises(RuntimeError, match=r"^routings must be asked for after a forward pass"):
        routings(copy.deepcopy(model))
