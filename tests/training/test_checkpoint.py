"""One file, whole or not at all: what is damaged is noticed, what is another run's is refused."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import save_file

from lib.training import History, checkpoint, fit
from lib.training.random_states import random_states


def test_every_flipped_byte_is_noticed(tmp_path):
    path = tmp_path / "x.safetensors"
    checkpoint.write_tensors(path, {"w": torch.arange(4.0)}, {"a": 1})
    data = path.read_bytes()
    expected = checkpoint.read_tensors(path)
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        try:
            tensors, info = checkpoint.read_tensors(path)
        except ValueError as error:
            assert "is damaged" in str(error)
        else:  # a byte that carries nothing
            assert info == expected[1] and torch.equal(tensors["w"], expected[0]["w"])


@pytest.fixture
def stopped(tiny, tmp_path):
    """The checkpoint of a run that stopped after its fifth step."""

    def stop(done):
        if done == 5:
            raise KeyboardInterrupt

    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(tiny.model(), tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=path, on_step=stop)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 30}, "its steps is 24, this run's is 30"),
        ({"lr": 0.01}, "its lr is 0.02, this run's is 0.01"),
        ({"schedule": "constant"}, "its schedule is cosine, this run's is constant"),
    ],
)
def test_checkpoint_of_another_run_is_refused(tiny, stopped, change, words):
    before = stopped.read_bytes()
    with pytest.raises(ValueError, match=f"belongs to another run: {words}; remove the file"):
        fit(tiny.model(), tiny.batches, tiny.objective, **tiny.SETTINGS | change, checkpoint=stopped)
    assert stopped.read_bytes() == before


def test_checkpoint_of_another_model_is_refused_and_the_model_left_alone(tiny, stopped):
    net = tiny.model()
    net.norm = torch.nn.LayerNorm(13)
    embedding = net.embed.weight.clone()
    with pytest.raises(ValueError, match=r"its norm.(weight|bias) has shape \(12,\), this model's has \(13,\)"):
        fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=stopped)
    assert torch.equal(net.embed.weight, embedding)


def test_checkpoint_made_with_other_data_is_refused(tiny, stopped):
    with pytest.raises(ValueError, match=r"belongs to another run: batches\(4\) gave other data"):
        fit(tiny.model(), lambda step: tiny.batches(step + 1), tiny.objective, **tiny.SETTINGS, checkpoint=stopped)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_damaged_checkpoint_is_refused_in_one_sentence(tiny, stopped, damage):
    data = bytearray(stopped.read_bytes())
    if damage == "flipped":
        data[-3] ^= 1
    stopped.write_bytes({"truncated": data[: len(data) // 2], "flipped": data, "emptied": b""}[damage])
    with pytest.raises(ValueError, match=r"is damaged: .*; remove the file to start over") as caught:
        fit(tiny.model(), tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=stopped)
    assert "\n" not in str(caught.value)


def test_tensors_and_description_come_back_in_every_type(tmp_path):
    shared = torch.randn(6)
    tensors = {"half": torch.randn(2, 3).bfloat16(), "turned": torch.randn(3, 4).T, "scalar": torch.tensor(7),
               "empty": torch.zeros(0, 2), "flags": torch.tensor([True, False]), "part": shared[2:4]}  # fmt: skip
    checkpoint.write_tensors(tmp_path / "new" / "x.safetensors", tensors, {"a": [1, None], "b": "\u00e9"})
    again, info = checkpoint.read_tensors(tmp_path / "new" / "x.safetensors")
    assert info == {"a": [1, None], "b": "\u00e9"} and set(again) == set(tensors)
    assert all(
        torch.equal(again[name], tensor) and again[name].dtype == tensor.dtype for name, tensor in tensors.items()
    )


def test_a_digest_knows_names_types_shapes_and_values():
    base = {"w": torch.arange(6.0)}
    others = [{"v": base["w"]}, {"w": base["w"].double()}, {"w": base["w"].view(2, 3)}, {"w": base["w"] + 1}]
    digests = [checkpoint.digest(tensors) for tensors in (base, *others)] + [checkpoint.digest(base, "told")]
    assert len(set(digests)) == 6
    turned = torch.arange(6.0).view(2, 3)
    assert checkpoint.digest({"w": turned.T}) == checkpoint.digest({"w": turned.T.contiguous()})
    pair = {"a": torch.ones(1), "b": torch.zeros(1)}
    assert checkpoint.digest(pair) == checkpoint.digest(dict(reversed(pair.items())))


def test_layers_that_share_a_weight_store_it_once_and_share_it_again(tmp_path):
    def tied():
        net = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3, bias=False), "b": torch.nn.Linear(3, 3, bias=False)})
        net["b"].weight = net["a"].weight
        return net, torch.optim.AdamW(net.parameters())

    net, optimizer = tied()
    net["a"](torch.ones(1, 3)).sum().backward()
    optimizer.step()
    saved = checkpoint.Checkpoint(tmp_path / "run.safetensors", {"lr": 0.1})
    random = random_states(torch.device("cpu"))
    saved.save(net, optimizer, History({"loss": [0.5], "lr": [0.1]}, 2.0), random, {"x": torch.ones(1)})
    tensors, _ = checkpoint.read_tensors(saved.path)
    assert [name for name in tensors if name.startswith("model.")] == ["model.a.weight"]
    drawn = torch.rand(3)  # behind the saved state of the random numbers
    again, other = tied()
    history, batch = saved.load(again, other, process=0)
    assert torch.equal(torch.rand(3), drawn)
    assert history == History({"loss": [0.5], "lr": [0.1]}, 2.0) and batch == checkpoint.digest({"x": torch.ones(1)})
    assert again["b"].weight is again["a"].weight and torch.equal(again["a"].weight, net["a"].weight)
    moments, expected = (next(iter(o.state.values())) for o in (other, optimizer))
    assert all(torch.equal(moments[key], expected[key]) for key in checkpoint.MOMENTS)
    saved.remove()
    assert saved.load(again, other, process=0) is None


def test_tensors_that_share_memory_are_kept_apart(tmp_path):
    whole = torch.arange(6.0)
    checkpoint.write_tensors(tmp_path / "x", {"whole": whole, "part": whole[2:4], "again": whole.view(2, 3)}, {"a": 1})
    again, _ = checkpoint.read_tensors(tmp_path / "x")
    assert again["part"].tolist() == [2, 3] and torch.equal(again["again"], whole.view(2, 3))
    assert checkpoint.read_description(tmp_path / "x") == {"a": 1}
    (tmp_path / "x").write_bytes(b"no file")
    with pytest.raises(ValueError, match="is damaged"):
        checkpoint.read_description(tmp_path / "x")


def test_a_checkpoint_of_earlier_code_is_gone_on_from(tiny, stopped):
    """It has neither numpy's and Python's random numbers, nor those before the last batch, nor a list of parts."""
    whole = tiny.model()
    fit(whole, tiny.batches, tiny.objective, **tiny.SETTINGS)
    tensors, info = checkpoint.read_tensors(stopped)
    kept = ("model.", "optimizer.", "history.", "random.cpu")
    earlier = {name: tensor for name, tensor in tensors.items() if name.startswith(kept)}
    assert len(earlier) < len(tensors)
    checkpoint.write_tensors(stopped, earlier, {name: info[name] for name in ("run", "step", "seconds", "batch")})
    net, done = tiny.model(), []
    fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=stopped, on_step=done.append)
    assert done[0] == 6 and all(torch.equal(net.state_dict()[name], w) for name, w in whole.state_dict().items())


def test_a_file_is_as_readable_as_the_umask_says_and_stands_alone(tmp_path):
    before = os.umask(0o022)
    try:
        checkpoint.write_tensors(tmp_path / "x.safetensors", {"w": torch.ones(3)}, {})
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == 0o644


def test_two_writers_of_one_path_in_one_process_do_not_meet(tmp_path):
    path = tmp_path / "x.safetensors"

    def write(number):
        for _ in range(30):
            checkpoint.write_tensors(path, {"w": torch.full((500,), float(number))}, {"number": number})

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(write, number) for number in range(3)]:
            future.result()
    tensors, info = checkpoint.read_tensors(path)
    assert (tensors["w"] == info["number"]).all() and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_names_and_places_that_no_file_can_have_are_sentences(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"^a tensor must have another name than __metadata__"):
        checkpoint.write_tensors(tmp_path / "x", {"__metadata__": torch.ones(1)}, {})
    for folder in (tmp_path, ""):
        with pytest.raises(ValueError, match=r"^checkpoint must be the path of a file, got the folder"):
            fit(tiny.model(), tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=folder)
    deep = "[" * 200_000
    save_file({"w": torch.ones(1)}, tmp_path / "deep", metadata={"info": deep, "sha256": "x"})
    for read in (checkpoint.read_tensors, checkpoint.read_description):
        with pytest.raises(ValueError, match="is damaged"):
            read(tmp_path / "deep")
