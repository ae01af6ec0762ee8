"""The completion interface: three kinds of model, one method; batches change nothing, transcripts hold."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from lib.data import ByteTokenizer
from lib.evaluation.completion import Decoding, OurModel, Recorder, Transcript, TransformersModel
from lib.nn import TransformerConfig, TransformerLM, generate

GREEDY = Decoding()
PROMPTS = ["a", "hello world", "some words", "b" * 20]


class FakeModel:
    """A scripted fake, for tests only: it answers with the prompt's length."""

    name = "fake"

    def complete(self, prompts, decoding=GREEDY):
        return [decoding.cut(f"{len(prompt)} letters. The end") for prompt in prompts]


@pytest.fixture(scope="module")
def ours():
    torch.manual_seed(0)
    return TransformerLM(TransformerConfig(256, 32, 2, 4, intermediate_size=64)).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random Llama with a byte tokenizer, saved as a released model is."""
    import tokenizers
    import transformers

    path = tmp_path_factory.mktemp("llama")
    level = tokenizers.pre_tokenizers.ByteLevel
    words = tokenizers.Tokenizer(tokenizers.models.BPE())
    words.pre_tokenizer, words.decoder = level(add_prefix_space=False), tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        special_tokens=["<eos>"], initial_alphabet=level.alphabet(), show_progress=False
    )
    words.train_from_iterator([], trainer)
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>").save_pretrained(path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    special = {"eos_token_id": 0, "pad_token_id": 0, "bos_token_id": None, "initializer_range": 0.3}
    config = transformers.LlamaConfig(vocab_size=words.get_vocab_size(), **sizes, **special)
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


def test_ours_writes_what_generate_writes(ours):
    model, tokenizer = OurModel(ours, ByteTokenizer()), ByteTokenizer()
    for prompt, text in zip(PROMPTS, model.complete(PROMPTS, Decoding(6)), strict=True):
        tokens = torch.as_tensor(tokenizer.encode(prompt).astype("int64"))[None]
        assert text == tokenizer.decode(generate(ours, tokens, 6)[0, tokens.shape[1] :].tolist())


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_the_size_of_batches_changes_nothing(ours, folder, batch):
    for make in (
        lambda batch: OurModel(ours, ByteTokenizer(), batch=batch),
        lambda batch: TransformersModel.load(folder, batch=batch),
    ):
        assert make(batch).complete(PROMPTS, Decoding(6)) == make(3).complete(PROMPTS, Decoding(6))


def test_a_chat_model_reads_prompts_in_its_form(ours):
    chatting = OurModel(ours, ByteTokenizer(), chat=lambda prompt: f"user: {prompt}\n")
    expected = OurModel(ours, ByteTokenizer()).complete([f"user: {prompt}\n" for prompt in PROMPTS], Decoding(6))
    assert chatting.complete(PROMPTS, Decoding(6)) == expected


def test_the_end_of_text_is_not_part_of_it(ours):
    plain = OurModel(ours, ByteTokenizer()).complete(["hello"], Decoding(8))[0]
    eos = plain.encode()[3] if plain.isascii() else None
    first = torch.argmax(ours(torch.tensor([[104]]))[0, -1]).item()
    assert OurModel(ours, ByteTokenizer(), eos=first).complete(["h"], Decoding(8)) == [""]
    if eos is not None:
        assert chr(eos) not in OurModel(ours, ByteTokenizer(), eos=eos).complete(["hello"], Decoding(8))[0]


def test_texts_stop_at_the_first_stop():
    assert FakeModel().complete(["abc"], Decoding(stop=("The", "letters")))[0] == "3 "
    assert Decoding(stop=["x"]).cut("no such letter") == "no such letter"


def test_sampling_follows_its_seed(ours):
    model = OurModel(ours, ByteTokenizer())
    hot = [model.complete(["hello"] * 4, Decoding(8, temperature=1.0, seed=seed)) for seed in (0, 0, 1)]
    assert hot[0] == hot[1] != hot[2]


def test_a_hugging_face_model_is_asked_with_its_template(folder):
    model = TransformersModel.load(folder)
    assert not model.chat
    model.tokenizer.chat_template = "{% for m in messages %}Q: {{ m['content'] }}\nA:{% endfor %}"
    chatty = TransformersModel(model.model, model.tokenizer)
    plain = TransformersModel(model.model, model.tokenizer, chat=False)
    assert chatty.complete(["hi"], Decoding(5)) == plain.complete(["Q: hi\nA:"], Decoding(5))


def test_a_model_that_is_not_here_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="cannot be loaded") as caught:
        TransformersModel.load(tmp_path / "nothing")
    assert "\n" not in str(caught.value)


def test_a_transcript_answers_what_was_asked(tmp_path):
    recorder, path = Recorder(FakeModel()), tmp_path / "transcript.json"
    greedy, stopped = Decoding(), Decoding(stop=(".",))
    texts = recorder.complete(PROMPTS, greedy), recorder.complete(PROMPTS, stopped)
    recorder.save(path)
    kept = Transcript(path)
    assert (kept.complete(PROMPTS[::-1], greedy)[::-1], kept.complete(PROMPTS, stopped)) == texts
    assert kept.name == "fake" and len(kept.date) == 10
    with pytest.raises(ValueError, match="1 of 2 prompts were never put to fake with these settings"):
        kept.complete([PROMPTS[0], "never asked"], greedy)
    with pytest.raises(ValueError, match="never put to fake"):
        kept.complete(PROMPTS, Decoding(temperature=1.0))


def test_a_changed_transcript_is_refused(tmp_path):
    recorder, path = Recorder(FakeModel()), tmp_path / "transcript.json"
    recorder.complete(["a"])
    recorder.save(path)
    record = json.loads(path.read_text())
    next(iter(record["entries"].values()))["text"] = "better"
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"transcript\.json has been changed since it was recorded"):
        Transcript(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match="is no transcript"):
        Transcript(path)


@pytest.mark.parametrize(
    "wrong", [{"max_new_tokens": 0}, {"temperature": -1}, {"top_p": 0}, {"top_p": 2}, {"stop": ("",)}]
)
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match="must"):
        Decoding(**wrong)


def test_an_empty_prompt_is_refused(ours):
    with pytest.raises(ValueError, match="every prompt must have at least one token"):
        OurModel(ours, ByteTokenizer()).complete([""])


LEAKS = [
    {"repetition_penalty": 1.8},
    {"no_repeat_ngram_size": 1},
    {"suppress_tokens": [5, 6, 7, 8, 9, 10]},
    {"num_beams": 4},
    {"min_new_tokens": 30},
    {"max_length": 3},
    {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.8},
    {"forced_eos_token_id": 5},
    {"bad_words_ids": [[30], [40]]},
]


@pytest.mark.parametrize("settings", LEAKS, ids=lambda settings: next(iter(settings)))
def test_a_models_own_settings_do_not_shape_its_answers(folder, tmp_path, settings):
    import transformers

    expected = TransformersModel.load(folder, chat=False).complete(PROMPTS, Decoding(12))
    shutil.copytree(folder, tmp_path / "copy")
    transformers.GenerationConfig(eos_token_id=0, pad_token_id=0, **settings).save_pretrained(tmp_path / "copy")
    model = TransformersModel.load(tmp_path / "copy", chat=False)
    kept = model.model.generation_config.to_dict()
    assert model.complete(PROMPTS, Decoding(12)) == expected
    assert model.model.generation_config.to_dict() == kept


def test_answers_are_the_argmax_and_end_where_the_model_says(folder):
    model = TransformersModel.load(folder, chat=False)
    ids = model.tokenizer("hello world", return_tensors="pt")["input_ids"]
    written = []
    with torch.no_grad():
        for _ in range(8):
            token = model.model(torch.cat((ids, torch.tensor([written], dtype=torch.long)), 1)).logits[0, -1].argmax()
            written.append(int(token))
    stopped = written[: written.index(0)] if 0 in written else written
    assert model.complete(["hello world"], Decoding(8)) == [model.tokenizer.decode(stopped)]
    model.model.generation_config.eos_token_id = [0, stopped[2]]
    cut = stopped[: stopped.index(stopped[2]) + 1]
    assert model.complete(["hello world"], Decoding(8)) == [model.tokenizer.decode(cut)]


def test_drawn_answers_hang_on_the_seed_alone_and_leave_the_global_numbers_where_they_are(folder):
    model = TransformersModel.load(folder, chat=False)
    texts, drawn = [], []
    torch.manual_seed(0)
    for seed in (1, 1, 2):
        texts.append(model.complete(PROMPTS, Decoding(12, temperature=3.0, seed=seed)))
        drawn.append(torch.rand(1).item())
    torch.manual_seed(0)
    assert texts[0] == texts[1] != texts[2] and drawn == [torch.rand(1).item() for _ in range(3)]


def test_one_stop_is_one_stop_and_a_temperature_is_a_number():
    assert Decoding(stop="\n\n").stop == ("\n\n",)
    assert Decoding(stop="\n\n").cut("a\nb\n\nc") == "a\nb"
    for temperature in (float("nan"), float("inf"), -0.1):
        with pytest.raises(ValueError, match="temperature at least 0"):
            Decoding(temperature=temperature)


def test_a_prompt_without_a_token_is_refused_by_both(ours, folder):
    for model in (OurModel(ours, ByteTokenizer()), TransformersModel.load(folder, chat=False)):
        with pytest.raises(ValueError, match=r"^every prompt must have at least one token$"):
            model.complete(["a", ""], Decoding(3))
