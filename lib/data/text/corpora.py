"""Real text that is on every machine with Python: the language reference and the standard library's source.

A corpus is split before anything is sampled from it. Documents lose every block (lines between blank lines) of 80 or
more characters that stood in the corpus before, are cut into pieces of some 4 KB, and the SHA-256 of a piece decides
whether it is train (80 %), validation or test (10 % each). So no long block is in two splits, and adding a document
moves no other.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lib.data.randomness import SPLITS, check_split, split_of_hash

BLOCK = 80
"""Characters from which a repeated block counts as a duplicate; shorter ones (`else:`, a heading) may recur."""
PIECE = 4096
"""Characters after which a document is cut at the next blank line."""
SEPARATOR = "\n\n"
REAL_LIMIT = 10_000_000
"""Bytes taken from a `real` data set without a limit: they are streamed and may have no end."""
SKIPPED_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "encodings"}
SKIPPED_FOLDERS |= {"pydoc_data"}  # the language reference: a corpus of its own


@dataclass(frozen=True)
class Corpus:
    """`pieces` of text by split, with what is needed to say which text it was.

    `sha256` covers every piece and its split; it differs between Python versions, so figures name both.
    """

    name: str
    python_version: str
    sha256: str
    pieces: dict[str, tuple[str, ...]]

    @cached_property
    def train(self) -> str:
        return self.text("train")

    @cached_property
    def validation(self) -> str:
        return self.text("validation")

    @cached_property
    def test(self) -> str:
        return self.text("test")

    def text(self, split: str) -> str:
        """The pieces of one split, a blank line between them."""
        return SEPARATOR.join(self.pieces[check_split(split)])

    def __str__(self) -> str:
        sizes = ", ".join(f"{split} {len(getattr(self, split).encode()):,} bytes" for split in SPLITS)
        return f"{self.name} (Python {self.python_version}, {self.sha256[:12]}): {sizes}"


def load_corpus(name: str, limit: int | None = None, real: str | Path | None = None) -> Corpus:
    """The corpus "language_reference", "standard_library" or "python" (both, the reference first).

    `limit`: at most so many bytes of UTF-8 in all three splits together, whole blocks only. `real`: a .txt or .jsonl
    file (field "text") or a Hugging Face data set instead; when it cannot be read, one sentence says why and the
    corpus of this machine is returned; of a data set at most 10 MB are read unless `limit` says more.
    Raises ValueError for an unknown name, a limit below 1, or one so small that a split would be empty.
    """
    if name not in SOURCES:
        raise ValueError(f"name must be one of {', '.join(SOURCES)}, got {name!r}")
    _check_limit(limit)
    if real is not None:
        try:
            return build_corpus(str(real), _real_documents(real), limit or REAL_LIMIT)
        except Exception as error:  # whatever a hub, a proxy or a file may raise, the notebook goes on
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            print(f"real={str(real)!r} could not be read ({reason}); going on with {name!r} from this machine.")
    return build_corpus(name, SOURCES[name](), limit)


def build_corpus(name: str, documents: Iterable[str], limit: int | None = None) -> Corpus:
    """Normalise, remove repeated blocks, cut into pieces and split by content hash; the order of documents is kept.

    Raises ValueError when a split would be empty (the text is too short) or `limit` is below 1.
    """
    _check_limit(limit)
    pieces: dict[str, list[str]] = {split: [] for split in SPLITS}
    total = hashlib.sha256()
    for piece in _pieces(documents, limit):
        split = split_of(piece)
        pieces[split].append(piece)
        total.update(f"{split}:{len(piece)}:".encode() + piece.encode())
    empty = [split for split in SPLITS if not pieces[split]]
    if empty:
        count = sum(map(len, pieces.values()))
        raise ValueError(f"{name!r} is too short to be split: {count} pieces leave {' and '.join(empty)} empty")
    frozen = {split: tuple(texts) for split, texts in pieces.items()}
    return Corpus(name, platform.python_version(), total.hexdigest(), frozen)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 byte, got {limit}")


def split_of(piece: str) -> str:
    """The split of a piece, decided by its SHA-256 alone: 8 parts of 10 train, 1 validation, 1 test."""
    return split_of_hash(int(hashlib.sha256(piece.encode()).hexdigest(), 16))


def normalise(text: str) -> str:
    """Unix line ends, no byte-order mark, no blanks at line ends, no runs of blank lines, no blank edges."""
    lines = [line.rstrip() for line in text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(kept).strip("\n")


def _pieces(documents: Iterable[str], limit: int | None) -> Iterator[str]:
    """Pieces of blocks not seen before, until `limit` bytes are reached (two for the blank line between blocks)."""
    seen: set[bytes] = set()
    room = float("inf") if limit is None else limit
    for document in documents:
        blocks: list[str] = []
        length = 0
        for block in normalise(document).split(SEPARATOR):
            if _repeated(block, seen):
                continue
            room -= len(block.encode()) + len(SEPARATOR)
            if room < 0:
                break
            blocks.append(block)
            length += len(block) + len(SEPARATOR)
            if length >= PIECE:
                yield from _joined(blocks, seen)
                blocks, length = [], 0
        yield from _joined(blocks, seen)
        if room < 0:
            return


def _joined(blocks: list[str], seen: set[bytes]) -> Iterator[str]:
    """One piece, unless there is nothing in it or the whole of it stood in the corpus before."""
    piece = SEPARATOR.join(blocks).strip("\n")
    mark = hashlib.sha256(b"piece:" + piece.encode()).digest()
    if piece and mark not in seen:
        seen.add(mark)
        yield piece


def _repeated(block: str, seen: set[bytes]) -> bool:
    if len(block.strip()) < BLOCK:
        return False
    mark = hashlib.sha256(block.strip().encode()).digest()
    if mark in seen:
        return True
    seen.add(mark)
    return False


def _language_reference() -> Iterator[str]:
    """Topics of `help()`, longest first: short topics are often sections of long ones and vanish as repeats."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise ValueError(
            "the language reference needs pydoc_data, which this Python lacks; install the full standard library"
        ) from None
    yield from sorted(topics.values(), key=lambda text: (-len(text), text))


def _standard_library(root: Path | None = None) -> Iterator[str]:
    """Python files under `root` without tests, tables and what an installation generates, in the order of hashed paths.

    The hash mixes the packages, so that a corpus cut short by `limit` is not all `asyncio`. Files that are not
    UTF-8 and links are skipped.
    """
    root = root or Path(sysconfig.get_paths()["stdlib"])
    paths = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py") if path.is_file()}
    for relative in sorted(paths, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        folders = relative.split("/")[:-1]
        generated = relative.split("/")[-1].startswith("_sysconfigdata") or any(
            f.startswith("config-") for f in folders
        )
        if generated or SKIPPED_FOLDERS & set(folders) or paths[relative].is_symlink():
            continue
        try:
            yield paths[relative].read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue


def _python() -> Iterator[str]:
    yield from _language_reference()
    yield from _standard_library()


SOURCES: dict[str, Callable[[], Iterator[str]]] = {
    "language_reference": _language_reference,
    "standard_library": _standard_library,
    "python": _python,
}


def _real_documents(real: str | Path) -> Iterator[str]:
    """Texts of a .txt or .jsonl file, or else of the Hugging Face data set of that name (its train split, streamed)."""
    path = Path(real)
    if path.suffix in {".txt", ".jsonl"}:
        return _file_documents(path)
    try:
        from datasets import load_dataset
    except ImportError:
        raise ImportError("Hugging Face data sets need the package datasets") from None
    return (_text_of(row, "a row") for row in load_dataset(str(real), split="train", streaming=True))


def _file_documents(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path.name!r}")
    if path.suffix == ".txt":
        yield path.read_text(encoding="utf-8")
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                raise ValueError(f"line {number} of {path.name!r} is not JSON") from None
            yield _text_of(row, f"line {number} of {path.name!r}")


def _text_of(row: object, what: str) -> str:
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str):
        raise ValueError(f'{what} has no string in the field "text"')
    return text
