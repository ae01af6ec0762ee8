"""ChatML, the form in which many chat models were taught who speaks: <|im_start|>role, what is said, <|im_end|>."""

from __future__ import annotations

import re
from dataclasses import dataclass

START, END = "<|im_start|>", "<|im_end|>"


@dataclass(frozen=True)
class ChatML:
    """`chat(message)` is the prompt behind which the model answers a user's `message`.

    `system` is what the model is told first, nothing for an empty text. Raises ValueError for a message or system
    text that holds one of the two marks, which would speak in another's name.
    """

    system: str = ""

    def __post_init__(self):
        _check("system", self.system)

    def __call__(self, message: str) -> str:
        _check("message", message)
        told = f"{START}system\n{self.system}{END}\n" if self.system else ""
        return f"{told}{START}user\n{message}{END}\n{START}assistant\n"

    @classmethod
    def from_template(cls, template: str) -> ChatML:
        """From a model's `chat_template`, whose system text is taken. Raises ValueError for another form than ChatML.

        The template is a program in Jinja; it is read here, not run.
        """
        text = template.replace("\\n", "\n")
        told = re.findall(rf"'{re.escape(START)}system\n([^'{{}}]*?){re.escape(END)}\n'", text)
        turn = "'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'"
        answer = "'<|im_start|>assistant\n'"
        if turn not in text or answer not in text or len(told) > 1:
            raise ValueError(f"template must be ChatML with at most one system text, got {template[:80]!r}")
        return cls(told[0] if told else "")


def _check(name: str, text: str) -> None:
    for mark in (START, END):
        if mark in text:
            raise ValueError(f"{name} must not hold {mark}, got {text[:80]!r}")
