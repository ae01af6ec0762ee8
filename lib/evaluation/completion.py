"""One way to ask a language model: `complete(prompts, ...) -> texts`, for ours, for Hugging Face's and for transcripts.

What is measured with one of them can be measured with any. A `Transcript` answers from a file that a `Recorder` wrote
while a real model answered; it says which model, when and with which settings, and a changed file is noticed.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from lib.nn.language.generation import generate


@dataclass(frozen=True)
class Decoding:
    """How to write: at most `max_new_tokens`, greedily at temperature 0, up to the first of the `stop` texts.

    `stop` may be a single text. Raises ValueError for what is out of range.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop))
        if (
            self.max_new_tokens < 1
            or not 0 <= self.temperature < math.inf
            or not (self.top_p is None or 0 < self.top_p <= 1)
        ):
            raise ValueError(
                "max_new_tokens must be at least 1, temperature at least 0 and top_p in (0, 1], got "
                f"{self.max_new_tokens}, {self.temperature}, {self.top_p}"
            )
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ValueError(f"stop must hold texts that are not empty, got {self.stop!r}")

    def cut(self, text: str) -> str:
        """The text up to the first stop."""
        ends = [at for stop in self.stop if (at := text.find(stop)) >= 0]
        return text[: min(ends)] if ends else text


class LanguageModel(Protocol):
    """Whatever completes prompts."""

    name: str

    def complete(self, prompts: Sequence[str], decoding: Decoding = Decoding()) -> list[str]:
        """What the model writes behind each prompt, without the prompt, in the prompts' order."""
        ...


class OurModel:
    """One of our language models with its tokenizer: `encode(text) -> ids`, `decode(ids) -> text`.

    Prompts are padded on the left with token `pad`, `batch` at a time; `eos` ends a text and is not part of it.
    `chat`, for a model that was taught a form of chat, puts each prompt into it as a user's message.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        *,
        eos: int | None = None,
        pad: int = 0,
        batch: int = 64,
        name: str = "ours",
        chat: Callable[[str], str] | None = None,
    ):
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.eos, self.pad = eos, pad
        self.batch = batch
        self.name = name
        self.chat = chat

    def encode(self, prompt: str) -> Tensor:
        """The tokens that the model reads for this prompt, (length,)."""
        asked = prompt if self.chat is None else self.chat(prompt)
        return torch.as_tensor(self.tokenizer.encode(asked), dtype=torch.long)

    def complete(self, prompts: Sequence[str], decoding: Decoding = Decoding()) -> list[str]:
        device = next(self.model.parameters()).device
        draw = torch.Generator(device).manual_seed(decoding.seed)
        encoded = [self.encode(prompt) for prompt in prompts]
        if any(len(ids) == 0 for ids in encoded):
            raise ValueError("every prompt must have at least one token")
        texts: list[str] = [""] * len(encoded)
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))  # little padding in each batch
        for begin in range(0, len(order), self.batch):
            rows = order[begin : begin + self.batch]
            width = max(len(encoded[index]) for index in rows)
            tokens = torch.full((len(rows), width), self.pad)
            for row, index in enumerate(rows):
                tokens[row, width - len(encoded[index]) :] = encoded[index]
            mask = torch.arange(width) >= width - torch.tensor([len(encoded[index]) for index in rows])[:, None]
            written = generate(
                self.model,
                tokens.to(device),
                decoding.max_new_tokens,
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                eos_token_id=self.eos,
                mask=None if mask.all() else mask.to(device),
                generator=draw,
            )
            for index, ids in zip(rows, written[:, width:].tolist(), strict=True):
                ids = ids[: ids.index(self.eos)] if self.eos in ids else ids
                texts[index] = decoding.cut(self.tokenizer.decode(ids))
        return texts


class TransformersModel:
    """A Hugging Face decoder with its tokenizer. `chat` sends each prompt as a user's message, given a template.

    What a `Decoding` says is all that shapes an answer: of the model's own generation_config.json the numbers of its
    special tokens are taken, and no penalty, filter, beam or length. The global random numbers stay where they are.
    `load` takes a name or a folder; a name that is not on this machine is downloaded.
    """

    def __init__(self, model, tokenizer, *, chat: bool = True, batch: int = 8, name: str = "transformers"):
        self.model, self.tokenizer, self.batch, self.name = model.eval(), tokenizer, batch, name
        self.chat = chat and getattr(tokenizer, "chat_template", None) is not None
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if tokenizer.pad_token is None:
            raise ValueError("tokenizer must have a token for padding or for the end of a text, got neither")
        tokenizer.padding_side = "left"

    @classmethod
    def load(cls, source: str | Path, *, device: str | torch.device = "cpu", **options: object) -> TransformersModel:
        """Raises ValueError, in one sentence, when there is no such model here and it cannot be fetched."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(source)
            precision = torch.bfloat16 if torch.device(device).type == "cuda" else torch.float32
            model = AutoModelForCausalLM.from_pretrained(source, dtype=precision, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise ValueError(f"{source} cannot be loaded: {str(error).strip().splitlines()[0]}") from None
        return cls(model.to(device), tokenizer, name=Path(str(source)).name, **options)

    @torch.inference_mode()
    def complete(self, prompts: Sequence[str], decoding: Decoding = Decoding()) -> list[str]:
        texts: list[str] = []
        with self._alone(decoding):
            for begin in range(0, len(prompts), self.batch):
                texts += self._answers(prompts[begin : begin + self.batch], decoding)
        return texts

    def _answers(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        asked = [self._asked(prompt) for prompt in prompts]
        if not all(asked):
            raise ValueError("every prompt must have at least one token")
        batch = self.tokenizer(asked, return_tensors="pt", padding=True, add_special_tokens=not self.chat)
        batch = {part: batch[part].to(self.model.device) for part in ("input_ids", "attention_mask")}
        out = self.model.generate(**batch)[:, batch["input_ids"].shape[1] :]
        return [decoding.cut(text) for text in self.tokenizer.batch_decode(out, skip_special_tokens=True)]

    @contextlib.contextmanager
    def _alone(self, decoding: Decoding) -> Iterator[None]:
        """Inside, the model generates as `decoding` says and in no other way, from random numbers of its own."""
        from transformers import GenerationConfig

        kept = self.model.generation_config
        special = {name: getattr(kept, name, None) for name in ("bos_token_id", "eos_token_id")}
        how = {"max_new_tokens": decoding.max_new_tokens, "do_sample": decoding.temperature > 0, "num_beams": 1}
        if decoding.temperature > 0:
            top_p = 1.0 if decoding.top_p is None else decoding.top_p
            how |= {"temperature": decoding.temperature, "top_p": top_p, "top_k": 0}
        self.model.generation_config = GenerationConfig(**how, **special, pad_token_id=self.tokenizer.pad_token_id)
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices):
                torch.manual_seed(decoding.seed)
                yield
        finally:
            self.model.generation_config = kept

    def _asked(self, prompt: str) -> str:
        if not self.chat:
            return prompt
        message = [{"role": "user", "content": prompt}]
        return self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)


class Recorder:
    """Passes prompts on to a model and remembers what it answered; `save` writes the transcript."""

    def __init__(self, model: LanguageModel):
        self.model, self.name, self.entries = model, model.name, {}

    def complete(self, prompts: Sequence[str], decoding: Decoding = Decoding()) -> list[str]:
        texts = self.model.complete(prompts, decoding)
        for prompt, text in zip(prompts, texts, strict=True):
            self.entries[_key(prompt, decoding)] = {"prompt": prompt, "decoding": asdict(decoding), "text": text}
        return texts

    def save(self, path: str | Path) -> None:
        record = {"model": self.name, "date": datetime.date.today().isoformat(), "entries": self.entries}
        Path(path).write_text(json.dumps({**record, "sha256": _digest(record)}, indent=1, ensure_ascii=False) + "\n")


class Transcript:
    """A recorded model. `name` and `date` say whose answers these are.

    Raises ValueError for a file that is none or has been changed, and from `complete` for what was never asked.
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        try:
            record = json.loads(path.read_text())
            claimed = record.pop("sha256")
            self.name, self.date, self.entries = record["model"], record["date"], record["entries"]
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"{path.name} is no transcript: {error}") from None
        if claimed != _digest(record):
            raise ValueError(f"{path.name} has been changed since it was recorded")

    def complete(self, prompts: Sequence[str], decoding: Decoding = Decoding()) -> list[str]:
        keys = [_key(prompt, decoding) for prompt in prompts]
        if missing := sum(key not in self.entries for key in keys):
            raise ValueError(f"{missing} of {len(keys)} prompts were never put to {self.name} with these settings")
        return [self.entries[key]["text"] for key in keys]


def _key(prompt: str, decoding: Decoding) -> str:
    return hashlib.sha256(json.dumps([prompt, asdict(decoding)], sort_keys=True).encode()).hexdigest()[:24]


def _digest(record: dict) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
