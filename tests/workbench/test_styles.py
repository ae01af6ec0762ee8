"""Styles: a model has one look under all its names, and no two share theirs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from lib.workbench import MODELS, PALETTE, colour, model_style
from lib.workbench.styles import _OTHERS, _PARTS, ALIASES, reserved_name, styles_of

ORDINARY = {*"os^Dv<>phPXd*x", ""}


@pytest.mark.parametrize("name", ["hybrid_moe", "Hybrid + MoE", "hybrid-MoE", "HYBRID_MOE only"])
def test_a_model_keeps_its_look_under_every_spelling(name):
    assert model_style(name) is MODELS["hybrid_moe"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("mod", "mixture_of_depths"),
        ("attn only", "attention"),
        ("raster AR", "autoregressive"),
        ("AC[256]", "ac"),
        ("[16,256]", "window_16_256"),
        ("GZip[256]", "gzip"),
        ("LoReFT\n1,024", "loreft"),
        ("full finetuning", "finetuned"),
        ("token frequencies", "baseline"),
        ("without QK-norm", "without_qk_norm"),
    ],
)
def test_what_notebooks_call_a_model_is_understood(said, name):
    assert reserved_name(said) == name and model_style(said) is MODELS[name]


def test_models_differ_with_and_without_colour():
    styles = [*MODELS.values(), *_OTHERS]
    assert len({(str(style.linestyle), style.marker) for style in styles}) == len(styles)
    first_four = [MODELS[name] for name in ("attention", "mamba", "hybrid", "hybrid_moe")]
    assert len({style.hatch for style in first_four}) == 4


@pytest.mark.parametrize(
    "family",
    [
        "attention mamba hybrid hybrid_moe bigram gzip chance",
        "attention mamba hybrid hybrid_moe hybrid_rope",
        "dense half mod deep stochastic every every_random",
        "bytes bpe ac [10,1024] [12,4096] [16,256] [32,256] gzip m1",
        "ac StaticAC[256] [16,256] [32,256] gzip random",
        "[16,256] every-second-reset never-reset never-random-padding",
        "loreft direft lora dora full prefix bitfit red",
        "LoReFT DiReFT NoReFT OrthogonalDiReFT ConsReFT LobiReFT",
        "var raster-AR one-by-one without-adaln without-qk-norm diffusion",
        "pyramid single-scale independent-scales",
        "direct chain trace prints delta plan program",
        "instructor without-analysis the-true-one for-another-task",
        "teacher student finetuned baseline",
    ],
)
def test_models_that_are_drawn_together_differ_in_colour(family):
    names = family.split()
    assert len({model_style(name).color for name in names}) == len(names)
    assert all(reserved_name(name) for name in names)


def test_others_are_told_apart_and_taken_in_their_order():
    assert len({style.color for style in _OTHERS}) == len(_OTHERS)
    assert styles_of(["lr 1", "mamba", "lr 2"]) == [_OTHERS[0], MODELS["mamba"], _OTHERS[1]]


def test_markers_are_ordinary_and_colours_can_be_seen_on_white():
    for style in (*MODELS.values(), *_OTHERS):
        assert style.marker in ORDINARY and (style.marker in Line2D.markers or not style.marker)
        assert np.dot(to_rgb(style.color), (0.2126, 0.7152, 0.0722)) < 0.7


def test_an_alias_names_a_model_that_is_there_and_is_none_itself():
    assert set(ALIASES.values()) <= set(MODELS) and not set(ALIASES) & set(MODELS)


def test_a_colour_is_asked_for_by_the_name_of_a_part_or_a_model():
    assert colour("highlight") == "#D55E00" and colour("mod") == MODELS["mixture_of_depths"].color
    assert all(re.fullmatch("#[0-9A-F]{6}", value) for value in (*_PARTS.values(), *PALETTE))
    assert not set(_PARTS) & {*MODELS, *ALIASES} and len(set(PALETTE)) == len(PALETTE)
    with pytest.raises(ValueError, match=r"^name must be a model of the course or one of highlight, .*, got 'owl'$"):
        colour("owl")
