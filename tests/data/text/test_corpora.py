"""Real text: same everywhere, split by content before sampling, no long block twice."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from lib.data import build_corpus, load_corpus
from lib.data.text.corpora import BLOCK, SPLITS, _standard_library, normalise, split_of

LIMIT = 500_000


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("python", limit=LIMIT)


def documents(count=60, lines=3):
    return ["\n\n".join(f"block {i} {j} " + "lorem ipsum " * 10 for j in range(lines)) for i in range(count)]


@pytest.mark.parametrize("name", ["language_reference", "python"])
def test_no_block_of_eighty_characters_is_twice_in_a_corpus_and_so_none_is_in_two_splits(name):
    corpus = load_corpus(name, limit=LIMIT)
    blocks = [block.strip() for split in SPLITS for block in corpus.text(split).split("\n\n")]
    long = [block for block in blocks if len(block) >= BLOCK]
    assert len(long) > 500
    assert len(long) == len(set(long))
    pieces = [set(corpus.pieces[split]) for split in SPLITS]
    assert len(set.union(*pieces)) == sum(map(len, corpus.pieces.values()))


def test_every_piece_is_in_the_split_of_its_hash_and_adding_documents_moves_none(corpus):
    assert all(split_of(piece) == split for split in SPLITS for piece in corpus.pieces[split])
    few, more = build_corpus("few", documents(60)), build_corpus("more", documents(90))
    for split in SPLITS:
        assert more.pieces[split][: len(few.pieces[split])] == few.pieces[split]


def test_splits_are_roughly_eight_one_one(corpus):
    sizes = {split: len(corpus.text(split).encode()) for split in SPLITS}
    assert 0.7 < sizes["train"] / sum(sizes.values()) < 0.9
    assert min(sizes.values()) > 20_000


def test_the_limit_counts_bytes_of_all_splits(corpus):
    total = sum(len(corpus.text(split).encode()) for split in SPLITS)
    assert 0.9 * LIMIT < total <= LIMIT
    umlauts = build_corpus("wide", [f"{i} " + "äöü" * 100 for i in range(200)], limit=60_000)
    assert 55_000 < sum(len(umlauts.text(split).encode()) for split in SPLITS) <= 60_000


def test_both_sources_are_in_the_mixed_corpus_and_neither_holds_the_other(corpus):
    assert "import " in corpus.train and "augmented assignment" in corpus.train
    source = load_corpus("standard_library", limit=200_000)
    reference = load_corpus("language_reference")
    blocks = {block for split in SPLITS for block in reference.text(split).split("\n\n") if len(block) >= BLOCK}
    assert not blocks & {block for split in SPLITS for block in source.text(split).split("\n\n")}


def test_the_same_corpus_in_another_process(corpus):
    code = f"from lib.data import load_corpus; print(load_corpus('python', limit={LIMIT}).sha256)"
    root = Path(__file__).resolve().parents[3]
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == corpus.sha256, run.stderr
    assert f"Python {sys.version.split()[0]}" in str(corpus) and corpus.sha256[:12] in str(corpus)


def test_the_hash_of_a_corpus_is_pinned_on_generated_documents_and_sees_every_character():
    corpus = build_corpus("generated", documents())
    assert corpus.sha256 == "3d02f220c40f0e2edee34a6bca1372f13a55243151b5ab2dc1e0ea22956511ea"
    assert build_corpus("generated", [*documents()[:-1], documents()[-1] + "!"]).sha256 != corpus.sha256


def test_line_ends_trailing_blanks_marks_and_runs_of_blank_lines_do_not_matter():
    assert normalise("\ufeffa  \r\nb\t\r\r\n\r\n\r\n  c\n\n") == "a\nb\n\n  c"
    windows = build_corpus("a", [text.replace("\n", "  \r\n") for text in documents()])
    assert windows.pieces == build_corpus("b", documents()).pieces


def test_repeated_documents_and_blocks_are_removed():
    once = build_corpus("once", documents())
    assert build_corpus("twice", documents() + documents()[::-1]).pieces == once.pieces
    nested = build_corpus("nested", [*documents(), "a new heading\n\n" + documents()[0]])
    assert sum(map(len, nested.pieces.values())) == sum(map(len, once.pieces.values())) + 1
    short = build_corpus("short", [*documents(), "tiny", "tiny"])
    assert sum("tiny" in piece for split in SPLITS for piece in short.pieces[split]) == 1


def test_source_skips_tests_generated_files_links_and_other_encodings(tmp_path):
    for name in ("a.py", "pkg/b.py", "test/c.py", "pkg/tests/d.py", "_sysconfigdata_x.py", "config-3/e.py", "f.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")
    (tmp_path / "latin.py").write_bytes("# ä".encode("latin-1"))
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    assert sorted(_standard_library(tmp_path)) == ["# a.py", "# pkg/b.py"]


def test_a_real_file_replaces_the_corpus(tmp_path):
    lines = tmp_path / "real.jsonl"
    lines.write_text("\n".join(json.dumps({"text": text}) for text in documents()) + "\n")
    assert load_corpus("python", real=lines).pieces == build_corpus("x", documents()).pieces
    text = tmp_path / "real.txt"
    text.write_text("\n\n".join(documents(600)))
    assert load_corpus("python", real=text).train.startswith("block 0 0")


def test_a_hugging_face_data_set_is_streamed_up_to_the_limit(monkeypatch):
    taken = []

    def load_dataset(name, split, streaming):
        assert (name, split, streaming) == ("some/set", "train", True)
        return ({"text": taken.append(i) or text} for i, text in enumerate(documents(10_000)))

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    corpus = load_corpus("python", limit=50_000, real="some/set")
    assert corpus.name == "some/set" and 100 < len(taken) < 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no file 'r.jsonl'"),
        ('{"text": "a"}\n{"txt": 1}', "line 2 of 'r.jsonl' has no string in the field \"text\""),
        ("{", "line 1 of 'r.jsonl' is not JSON"),
        ('{"text": "short"}', "too short to be split"),
    ],
)
def test_a_real_source_that_cannot_be_read_is_one_sentence_and_the_local_corpus(tmp_path, capsys, content, reason):
    path = tmp_path / "r.jsonl"
    if content is not None:
        path.write_text(content)
    corpus = load_corpus("language_reference", real=path)
    printed = capsys.readouterr().out
    assert reason in printed and printed.count("\n") == 1 and "going on with 'language_reference'" in printed
    assert corpus.sha256 == load_corpus("language_reference").sha256


def test_offline_is_one_sentence(monkeypatch, capsys):
    def offline(*_, **__):
        raise ConnectionError("Couldn't reach the Hub.\nlong trace")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=offline))
    load_corpus("language_reference", real="some/set")
    assert capsys.readouterr().out == (
        "real='some/set' could not be read (Couldn't reach the Hub); "
        "going on with 'language_reference' from this machine.\n"
    )


def test_wrong_arguments_are_answered_in_one_sentence(corpus):
    with pytest.raises(ValueError, match="name must be one of language_reference, standard_library, python, got 'x'"):
        load_corpus("x")
    with pytest.raises(ValueError, match="limit must be at least 1 byte, got 0"):
        load_corpus("python", limit=0, real="some/set")
    with pytest.raises(ValueError, match="too short to be split"):
        load_corpus("python", limit=1000)
    with pytest.raises(ValueError, match="split must be one of train, validation, test"):
        corpus.text("dev")
