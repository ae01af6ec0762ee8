"""A run small enough to repeat: a recurrent model with dropout and an embedding on masked random sequences.

As a program it is one process of a run, alone or with others: tiny_run.py FOLDER JSON_OPTIONS
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from lib.training import fit, language_modelling_loss

VOCAB, ROWS, LENGTH = 11, 8, 7
SETTINGS = {"steps": 24, "lr": 0.02, "progress": False}


class TinyLM(nn.Module):
    def __init__(self, dropout: float = 0.2):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, 12)
        self.mix = nn.GRU(12, 12, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, VOCAB, bias=False)
        self.head.weight = self.embed.weight  # shared, as in many language models
        self.unused = nn.Linear(3, 3)  # no gradient ever arrives here
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, tokens):
        self.calls += 1
        return self.head(self.norm(self.dropout(self.mix(self.embed(tokens))[0])))

    def scale(self):
        return self.norm.weight.square().mean()


def model(dropout: float = 0.2) -> TinyLM:
    torch.manual_seed(0)
    return TinyLM(dropout)


def batches(step: int) -> dict:
    """Rows lose a number of targets that grows with the row, so that processes hold different counts."""
    generator = torch.Generator().manual_seed(100 + step)
    tokens = torch.randint(0, VOCAB, (ROWS, LENGTH + 1), generator=generator)
    tokens[:, 1::2] = (tokens[:, ::2] + 1) % VOCAB
    targets = tokens[:, 1:].clone()
    for row in range(ROWS):
        hidden = LENGTH - 1 if row % 2 else row // 2
        targets[row, :hidden] = -100
    return {"tokens": tokens[:, :-1], "targets": targets}


def objective(net, batch):
    loss = language_modelling_loss(net(batch["tokens"]), batch["targets"])
    return {"loss": loss + 1e-3 * net.scale(), "scale": net.scale()}


def main(folder: Path, dropout: float = 0.2, kill_at: int = 0, interrupt_at: int = 0, **settings) -> None:
    def on_step(step):
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)

    net = model(dropout)
    try:
        history = fit(net, batches, objective, **SETTINGS | settings, on_step=on_step)
    except KeyboardInterrupt as stop:
        print(stop)
        sys.exit(3)
    rank = os.environ.get("RANK", "0")
    (folder / f"history{rank}.json").write_text(json.dumps(history.to_dict()))
    save_file(dict(net.named_parameters()), folder / f"weights{rank}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
