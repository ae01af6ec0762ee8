"""One look for each model of the course: colour, line style, marker and hatch; and the colours of drawings.

A model is drawn alike in every notebook. Models of one drawing differ in colour; line style and marker tell any two
of the course apart in grey. Colours after Okabe and Ito (2008) and Tol (2021), made for colour-blind readers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BLUE, ORANGE, GREEN, WINE, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#882255", "#56B4E9", "#D55E00"
INDIGO, PINK, FOREST, PURPLE, TEAL, BROWN = "#332288", "#CC79A7", "#117733", "#AA4499", "#44AA99", "#A6761D"
VIOLET, OLIVE, BLACK, GREY, SILVER = "#7570B3", "#808000", "#222222", "#666666", "#999999"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PINK, SKY, INDIGO, BROWN, TEAL, WINE)
"""For categories without a name of their own, in this order."""

_PARTS = {
    "highlight": VERMILION,  # what the reader should look at
    "second": BLUE,  # what stands beside it
    "muted": "#BBBBBB",  # what is there and is not meant
    "good": "#1B7F3B",
    "bad": "#B3261E",
    "text": BLACK,
    "rule": "#555555",  # arrows, thresholds, borders
    "area": "#EEEEEE",  # a shaded range, an empty box
    "warm": "#F2C6A0",  # pale fills for boxes with black text
    "cool": "#A9CCE8",
    "fresh": "#BFE3D5",
    "rose": "#EBCBDD",
}


@dataclass(frozen=True)
class Style:
    """How one model is drawn: `hatch` serves bars as `linestyle` and `marker` serve lines."""

    color: str
    linestyle: str | tuple
    marker: str
    hatch: str

    def line(self) -> dict[str, object]:
        """Keyword arguments of `Axes.plot`."""
        return {"color": self.color, "linestyle": self.linestyle, "marker": self.marker}


_LONG, _SHORT, _DOT_DOT = (0, (8, 2)), (0, (3, 1.5)), (0, (3, 1, 1, 1, 1, 1))
MODELS: dict[str, Style] = {
    # sequence models
    "attention": Style(BLUE, "-", "o", ""),
    "mamba": Style(ORANGE, "--", "s", "///"),
    "hybrid": Style(GREEN, "-.", "^", "..."),
    "hybrid_moe": Style(WINE, ":", "D", "xxx"),
    "hybrid_rope": Style(VIOLET, _SHORT, "^", "\\\\"),
    "attention_conv": Style(SKY, "--", "X", "oo"),
    "with_norms": Style(GREEN, _SHORT, "D", ""),
    "without_norms": Style(VERMILION, ":", "^", "//"),
    # ways to compute a scan
    "zero_order_hold": Style(GREEN, _DOT_DOT, "^", "//"),
    "euler": Style(VERMILION, _DOT_DOT, "v", "xx"),
    "closed_form": Style(VERMILION, _DOT_DOT, "D", "\\\\"),
    "blocked_scan": Style(BLUE, _DOT_DOT, ">", "..."),
    "whole_tensors": Style(SILVER, _DOT_DOT, "p", "--"),
    "fused_kernel": Style(GREEN, _DOT_DOT, "h", "||"),
    # models whose tokens skip layers
    "dense": Style(SKY, _LONG, "v", "\\\\\\"),
    "mixture_of_depths": Style(VERMILION, _SHORT, "P", "+++"),
    "half": Style(BLUE, _LONG, "o", "//"),
    "deep": Style(WINE, _SHORT, "s", "..."),
    "stochastic": Style(SILVER, ":", "P", "oo"),
    "every": Style(FOREST, "-.", "P", "xx"),
    "every_random": Style(BROWN, ":", "d", "--"),
    # models of compressed text, and how the windows are closed
    "bytes": Style(GREY, "-", "*", ""),
    "bpe": Style(ORANGE, "--", "d", "///"),
    "ac": Style(SILVER, "-", "x", ""),
    "static_ac": Style(BLACK, "--", "P", "\\\\"),
    "gzip": Style(BROWN, "--", "x", "xx"),
    "huffman": Style(WINE, "--", "*", "++"),
    "window_10_1024": Style(GREEN, "--", "v", "..."),
    "window_12_4096": Style(TEAL, "--", "o", "//"),
    "window_10_32": Style(FOREST, "--", "p", "||"),
    "window_16_256": Style(BLUE, "--", "^", "\\\\"),
    "window_24_256": Style(VIOLET, "--", "D", "--"),
    "window_32_256": Style(PINK, "--", "h", "oo"),
    "reset_every_second": Style(SKY, "-.", "s", "//"),
    "reset_never": Style(VERMILION, "-.", "D", "xx"),
    "reset_never_random_padding": Style(PURPLE, "-.", "v", "++"),
    "m1": Style(FOREST, "-", "p", ""),
    "m2": Style(INDIGO, "-", "h", "//"),
    "greedy": Style(VERMILION, ":", "v", "xx"),
    "delay": Style(ORANGE, "-.", "o", "//"),
    "pad": Style(BLUE, ":", "o", ""),
    # edits and adapters
    "base": Style(BLACK, ":", "p", ""),
    "loreft": Style(VERMILION, _DOT_DOT, "o", ""),
    "loreft_h0": Style(PURPLE, _LONG, "P", "oo"),
    "direft": Style(ORANGE, _LONG, "D", "//"),
    "noreft": Style(GREEN, _LONG, "<", "\\\\"),
    "orthogonal_direft": Style(WINE, _LONG, "h", "xx"),
    "consreft": Style(INDIGO, _LONG, "X", "++"),
    "lobireft": Style(TEAL, _LONG, "d", "||"),
    "lora": Style(BLUE, _DOT_DOT, "s", ""),
    "dora": Style(SKY, _LONG, "s", "//"),
    "prefix": Style(GREEN, _SHORT, "X", "..."),
    "bitfit": Style(PINK, _SHORT, "d", "oo"),
    "red": Style(SILVER, _SHORT, "o", "--"),
    "episode": Style(BLUE, _SHORT, "<", ""),
    "scrambled": Style(ORANGE, _SHORT, ">", "//"),
    "finetuned": Style(FOREST, _SHORT, "h", "|||"),
    "teacher": Style(INDIGO, _DOT_DOT, "X", "ooo"),
    "student": Style(PINK, _LONG, "p", "---"),
    # models of images
    "var": Style(BLUE, "-", "X", ""),
    "autoregressive": Style(TEAL, _LONG, ">", "//"),
    "one_by_one": Style(VERMILION, _LONG, "*", "xx"),
    "without_adaln": Style(PINK, "-.", "X", "++"),
    "without_qk_norm": Style(BROWN, "-.", "h", "||"),
    "pyramid": Style(BLUE, "-.", "d", "..."),
    "single_scale": Style(ORANGE, "-.", "p", "--"),
    "independent_scales": Style(GREEN, "-.", "*", "oo"),
    "diffusion": Style(PURPLE, _DOT_DOT, "<", "**"),
    # what a model writes before its answer
    "direct": Style(SILVER, "-", "s", ""),
    "chain": Style(ORANGE, "-", "^", "//"),
    "trace": Style(BLUE, "-", "v", "\\\\"),
    "prints": Style(SKY, "-", "D", "..."),
    "delta": Style(GREEN, "-", "P", "xx"),
    "plan": Style(PINK, "-", ">", "++"),
    "program": Style(VERMILION, "-", "d", "||"),
    # who writes the pseudocode
    "instructor": Style(VERMILION, _DOT_DOT, "*", ""),
    "without_analysis": Style(ORANGE, _SHORT, "v", "//"),
    "true_program": Style(GREEN, _DOT_DOT, "P", "..."),
    "for_another_task": Style(SILVER, _SHORT, "p", "xx"),
    # what every model is compared with
    "baseline": Style(GREY, ":", "x", "\\\\"),
    "chance": Style(SILVER, "--", "", "oo"),
    "uniform": Style(SILVER, _DOT_DOT, "x", "--"),
    "bigram": Style(BLACK, ":", "*", "//"),
    "random": Style(WINE, ":", "h", "xx"),
}
"""Names are reserved for the whole course; a new model is added here, not coloured in a notebook."""

ALIASES = {
    "attn": "attention",
    "mod": "mixture_of_depths",
    "raster_ar": "autoregressive",
    "raster": "autoregressive",
    "ac_256": "ac",
    "staticac_256": "static_ac",
    "gzip_256": "gzip",
    "huffman_256": "huffman",
    **{f"{bits}_{codes}": f"window_{bits}_{codes}" for bits, codes in ((10, 32), (10, 1024), (12, 4096))},
    **{f"{bits}_256": f"window_{bits}_256" for bits in (16, 24, 32)},
    "every_second_reset": "reset_every_second",
    "never_reset": "reset_never",
    "never_random_padding": "reset_never_random_padding",
    "m1_inside_the_windows": "m1",
    "m1_alone": "m1",
    "orthogonaldireft": "orthogonal_direft",
    "loreft_r_1": "loreft",
    "loreft_r_4": "loreft",
    "loreft_h_0": "loreft_h0",
    "loreft_h_0_r_4": "loreft_h0",
    "loreft_r_1_h_0": "loreft_h0",
    "lora_r_4": "lora",
    "prefix_tuning": "prefix",
    "instructor_with_analysis": "instructor",
    "instructor_without_analysis": "without_analysis",
    "the_true_one": "true_program",
    "full": "finetuned",
    "full_finetuning": "finetuned",
    "token_frequencies": "baseline",
    "frequencies_alone": "baseline",
    "commonest_letter": "baseline",
}
"""What notebooks and papers call a model -> its reserved name."""

_OTHERS = (
    Style("#4D4D4D", "-", "<", ""),
    Style(BROWN, "--", ">", "//"),
    Style(VIOLET, "-.", ">", "\\\\"),
    Style("#C2185B", _DOT_DOT, "d", ".."),
    Style(OLIVE, _LONG, "^", "xx"),
    Style("#1B9E77", _SHORT, "*", "++"),
    Style(INDIGO, "--", "<", "--"),
    Style("#0097A7", ":", "s", "||"),
)


def model_style(name: str, position: int = 0) -> Style:
    """The look of a model: `hybrid_moe`, `Hybrid + MoE`, `mod` and `attention only` are understood.

    A name that is not reserved gets the look of its `position` among the others, all unlike the reserved ones.
    """
    reserved = reserved_name(name)
    return MODELS[reserved] if reserved else _OTHERS[position % len(_OTHERS)]


def styles_of(names) -> list[Style]:
    """A look for each name of one drawing: the reserved ones have theirs, the others get one each in their order."""
    styles, others = [], 0
    for name in names:
        styles.append(model_style(name, others))
        others += reserved_name(name) is None
    return styles


def reserved_name(name: str) -> str | None:
    """The name under which a model is reserved, or None. What follows on a second line of the label does not count."""
    key = re.sub(r"[^a-z0-9]+", "_", name.split("\n")[0].lower()).strip("_").removesuffix("_only")
    key = ALIASES.get(key, key)
    return key if key in MODELS else None


def colour(name: str) -> str:
    """The colour of a part of a drawing ("highlight", "muted", "rule", ...) or of a model, as a hex string."""
    if name in _PARTS:
        return _PARTS[name]
    if reserved_name(name) is None:
        raise ValueError(f"name must be a model of the course or one of {', '.join(_PARTS)}, got {name!r}")
    return model_style(name).color
