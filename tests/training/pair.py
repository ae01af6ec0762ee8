"""One of two processes: everything that tests ask of two at once. pair.py FOLDER"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import tiny_run
import torch
from safetensors.torch import save_file

from lib.training import Cache, fit

RANK = os.environ["RANK"]


def train(folder: Path, name: str, dropout: float, **settings) -> None:
    net = tiny_run.model(dropout)
    torch.manual_seed(5 + int(RANK))  # each process draws its own dropout masks
    history = fit(net, tiny_run.batches, tiny_run.objective, **tiny_run.SETTINGS | settings)
    (folder / f"{name}{RANK}.json").write_text(json.dumps(history.to_dict()))
    save_file(dict(net.named_parameters()), folder / f"{name}{RANK}.safetensors")


def stop_first_process_at_nine(step: int) -> None:
    if step == 9 and RANK == "0":
        raise KeyboardInterrupt


def main(folder: Path) -> None:
    train(folder, "curve", dropout=0.0)
    train(folder, "whole", dropout=0.2)
    path = folder / "run.safetensors"
    try:
        train(folder, "parts", dropout=0.2, checkpoint=path, on_step=stop_first_process_at_nine)
    except KeyboardInterrupt as stop:
        print(stop, flush=True)
    train(folder, "parts", dropout=0.2, checkpoint=path)

    def build():
        print("built by", RANK, flush=True)
        net = torch.nn.Linear(2, 1)
        for _ in range(2):  # the same model may be trained twice
            history = fit(net, lambda step: {"x": torch.ones(4, 2)}, lambda m, b: m(b["x"]).mean(), steps=2, lr=0.1)
        return net.state_dict(), history.to_dict()

    for _ in range(2):
        _, info = Cache(folder / "cache").get("net", {}, build)
        print("cached steps", len(info["records"]["loss"]), flush=True)

    try:
        fit(torch.nn.Linear(2, 1), lambda step: {"x": torch.ones(7, 2)}, lambda m, b: m(b["x"]).mean(), steps=1, lr=0.1)
    except ValueError as error:
        print(error, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
