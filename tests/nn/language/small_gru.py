"""A small byte model, trained for a moment on one sentence."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from lib.nn import GRUByteLM

ALPHABET = b" etaoinshrdlu\n."


@cache
def trained(seed=0, hidden=48, steps=60):
    torch.manual_seed(seed)
    model = GRUByteLM(ALPHABET, hidden, 16)
    text = np.frombuffer(b"the sun is on the hill. the train is late in the rain.\n" * 40, dtype=np.uint8)
    place = {byte: symbol for symbol, byte in enumerate(ALPHABET)}
    symbols = torch.tensor([place[byte] for byte in text if byte in place])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    for step in range(steps):
        at = torch.randint(0, len(symbols) - 24, (16,), generator=torch.Generator().manual_seed(step))
        x = symbols[at[:, None] + torch.arange(24)]
        inputs = torch.cat((torch.full((16, 1), model.bos), x[:, :-1]), 1)
        loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), x.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, loss.item()
