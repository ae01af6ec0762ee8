"""The course's glossary: every term that a notebook's title cell announces, one plain sentence each.

An entry stands under the notebook that explains the term first; its key lists the names that mean the same, separated
by commas. A new notebook adds its own block here.
"""

from __future__ import annotations

from html import escape

from lib.workbench.display import show

GLOSSARY: dict[str, dict[str, str]] = {
    "00_start_here": {
        "ablation": "an experiment that takes one part away to see what it was good for",
        "baseline": "the simpler way that a new one is measured against",
        "check": "a row of a ledger that tests the code or the arithmetic, not the paper",
        "claims ledger": "the table in which a notebook sets each claim of its paper beside what it measured",
        "evidence": "what the runs of a notebook with several seeds showed, kept in data/evidence",
        "FLOP, FLOPs": "one addition or multiplication of two numbers, the unit in which training is paid",
        "held-out": "kept away from training, so that it can show what was learned and not what was memorised",
        "nat, nats": "the unit of information with natural logarithms; one nat is 1.44 bits",
        "open": "the verdict when the seeds do not decide: the effect, if any, is smaller than the noise at this size",
        "reproduced, contradicted": "the verdict when the seeds lie clearly on the claimed side, or on the other",
        "scale": "the sizes of a run: smoke shows that it runs, laptop is what is stored and judged",
        "seed": "the number that fixes all random draws of a run",
        "Wilson interval": "the range in which a share lies that was counted on a limited number of items",
    },
    "01_jamba": {
        "attention": "each token reads all earlier tokens, weighted by how well its query fits their keys",
        "bits per byte": "how many bits a model needs for a byte of text; independent of the tokenizer",
        "BPE": "byte-pair encoding: a vocabulary grown by merging frequent pairs",
        "capacity": "how many tokens an expert or a block may take from a sequence",
        "causal convolution": "a weighted sum over the last few tokens, which never looks ahead",
        "cross-entropy": "how surprised a model is by the true next token, on average; the loss of language models",
        "decay": "the factor below one by which a recurrent state forgets at each step",
        "entropy": "the average surprise of a source, below which no model's loss can stay",
        "expert, MoE, mixture of experts": "feed-forward networks of which a router picks a few for each token",
        "GQA": "grouped-query attention: several query heads share one key and value head",
        "induction head": "an attention head that finds an earlier occurrence and copies what followed it",
        "KV cache": "keys and values of past tokens, kept so that a new token need not recompute them",
        "load balancing": "a term of the loss that keeps the router from sending all tokens to the same experts",
        "logits": "a model's scores for every possible next token, before the softmax makes them probabilities",
        "Mamba": "a recurrent layer whose memory is a state of fixed size, and whose forgetting depends on the token",
        "NoPE": "attention without any positional encoding",
        "RMSNorm": "division by the root mean square, then a learned gain",
        "RoPE": "rotary positions: queries and keys are turned by an angle that grows with the position",
        "router": "a small layer that scores where each token shall go",
        "selective scan": "the recurrence inside Mamba, computed over a whole sequence",
        "softmax": "exponentials divided by their sum: scores become probabilities",
        "state-space model": "a layer whose memory follows a linear recurrence, of which Mamba is one",
        "SwiGLU": "a feed-forward layer with a gate: W_down (silu(W_gate x) · W_up x)",
        "token": "the unit that a model reads and writes: a byte, a piece of a word, a code of an image",
        "tokenizer": "the rule that cuts text or an image into tokens",
    },
    "02_mixture_of_depths": {
        "auxiliary predictor": "a small classifier that guesses from one token alone whether top-k would take it",
        "expert choice": "routing in which a block picks its tokens, where usually a token picks its expert",
        "gate": "a number between zero and one that a branch is multiplied with",
        "gather, scatter": "taking the chosen rows out of a tensor, and putting results back where they came from",
        "isoFLOP": "a curve of models of different size that were all trained with the same number of FLOPs",
        "Mixture-of-Depths": "a transformer in which only some tokens pass through a block, and a router picks them",
        "ragged cache": "a KV cache in which each layer holds only the tokens that went through it",
        "residual, residual stream": "the running sum to which each block of a transformer adds what it found",
        "top-k": "the k best-scored of a list",
    },
    "03_neurally_compressed_text": {
        "arithmetic coding": "compression that narrows an interval by each symbol's probability and writes its place",
        "Equal-Info window": "a stretch of text cut where its code has filled a fixed number of bits",
        "escape": "a mark in a code that says: what follows is a raw byte",
        "exact twin": "a network whose sums are whole numbers, so that every machine gets the same probabilities",
        "greedy": "taking the best next step without looking further ahead",
        "gzip": "the usual compressor, which replaces repetitions by pointers back",
        "Huffman code": "a code that spends a whole number of bits on each symbol, few on frequent ones",
        "lockstep": "many texts advanced together, one symbol of each at every step",
        "M1, M2": "the small model whose probabilities compress the text, and the model that reads the result",
        "normalised loss": "a loss divided by that of guessing, so that different vocabularies can be compared",
        "range coder": "an arithmetic coder that works with whole numbers of fixed size",
        "window": "a stretch of a sequence that is handled on its own",
    },
    "06_reft": {
        "adapter": "a few trained weights added to a frozen model",
        "BitFit": "finetuning of the bias vectors alone",
        "DoRA": "LoRA in which the length and the direction of each weight column are learned apart",
        "finetuning": "going on with the training of a model on another task",
        "intervention": "a change made to a hidden vector while the model computes",
        "LoRA": "finetuning by adding a product of two thin matrices to a frozen weight",
        "LoReFT": "an intervention that overwrites a hidden vector inside a learned subspace",
        "orthonormal": "said of vectors of length one that are at right angles to each other",
        "prefix tuning": "training a few keys and values that every layer reads before the text",
        "rank": "how many dimensions a matrix or an edit really uses",
        "ReFT": "representation finetuning: edits of hidden vectors are trained, the weights stay",
        "subspace": "a few directions of a larger space, such as the plane in which an edit may move a vector",
    },
    "10_var": {
        "AdaLN": "a normalisation whose gain and shift depend on the class that is asked for",
        "classifier-free guidance, guidance": "pushing a prediction away from what would be drawn without the class",
        "codebook": "the list of vectors that a quantizer may choose from",
        "codebook collapse": "a training failure after which only a few of the codes are ever chosen",
        "commitment loss": "a term that keeps an encoder's vectors near the codes which they are replaced by",
        "Fréchet distance": "how far the mean and spread of one set's features are from another's; the F of FID",
        "k-means": "finding centres such that every point is near one of them",
        "perplexity": "how many equally likely choices are as uncertain as this distribution",
        "precision and recall": "the share of drawn images that look real, and of real images that can be drawn",
        "QK-norm": "queries and keys scaled to length one before attention compares them",
        "quantizer": "a step that replaces a vector by the nearest of a fixed list",
        "raster order": "row by row from the upper left, as a page is read",
        "residual quantization": "each level writes down what the levels before have left over",
        "scale pyramid": "an image written down at growing resolutions, from one code for the whole to many",
        "straight-through": "passing the gradient through a rounding step as if it had not been there",
        "teacher forcing": "training in which the model continues the true past and not what it wrote itself",
        "temperature": "what logits are divided by before sampling: below one is bolder, above one is wilder",
        "top-p": "sampling only from the likeliest tokens that together reach the probability p",
        "VQ-VAE": "an autoencoder whose middle is a map of codes from a codebook",
    },
    "14_think_and_execute": {
        "chain of thought": "writing intermediate steps in words before the answer",
        "counterfactual": "an example in which one thing was changed on purpose, to see what follows it",
        "exact match": "counting an answer only when it is wholly right",
        "Instructor": "the model that writes pseudocode for a task from its description",
        "interpreter": "a program that runs other programs, here the truth against which a model's traces are held",
        "parity": "whether a count is even or odd; one bit more or less turns it round",
        "Program-of-Thought": "having a model write a program for each question, which a real interpreter runs",
        "pseudocode": "a program written for a reader, which leaves out what a machine would insist on",
        "Reasoner": "the model that simulates a run of the pseudocode on one question",
        "sandbox": "a closed process in which a program written by a model may run without doing harm",
        "scratchpad": "room in which a model writes intermediate values before it answers",
        "trace": "what a program prints while it runs, line by line",
    },
}
"""Notebook -> its words -> their meaning."""


def entries() -> list[tuple[str, str, str]]:
    """(names, meaning, notebook) of every entry, in alphabetical order."""
    listed = [(names, text, notebook) for notebook, words in GLOSSARY.items() for names, text in words.items()]
    return sorted(listed, key=lambda entry: entry[0].casefold())


def meaning(word: str) -> str:
    """What a word means here. Raises KeyError when the glossary lacks it; letters' case does not matter."""
    for names, text, _ in entries():
        if word.casefold() in (name.strip().casefold() for name in names.split(",")):
            return text
    raise KeyError(f"word must be one that lib/workbench/glossary.py explains, got {word!r}")


def show_glossary() -> None:
    """Show every word with its meaning and a link to the notebook that explains it."""
    plain = "\n".join(f"{names} ({notebook[:2]}): {text}" for names, text, notebook in entries())
    left = "style='text-align:left'"
    rows = "".join(
        f"<tr><td {left}>{escape(names)}</td><td {left}>{escape(text)}</td>"
        f"<td {left}><a href='{notebook}.ipynb'>{notebook[:2]}</a></td></tr>"
        for names, text, notebook in entries()
    )
    head = "".join(f"<th {left}>{name}</th>" for name in ("word", "meaning", "notebook"))
    show({"text/plain": plain, "text/html": f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"})
