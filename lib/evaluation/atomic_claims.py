"""How much of what a caption says is so: its atomic claims, each held against the things of the picture.

FAITHScore (Jing et al., arXiv 2311.01477) as SPRIGHT uses it (arXiv 2404.01197, section 3.3): there a language model
splits the caption and a vision model answers for each claim. Here `claims_of` splits, and a list of `Thing`s answers:
the scene's own, a detector's, or those from which the caption was written. The last one judges itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from lib.data.scenes.spatial_claims import CLAIM_KINDS, Claim, claims_of
from lib.data.scenes.things import Thing
from lib.evaluation.relations import holds
from lib.evaluation.statistics import Interval, wilson_interval

SPATIAL_KINDS = ("relation", "size")
"""Claims with a spatial word: left, right, above, below, larger, smaller. SPRIGHT counts them apart."""


def claim_holds(claim: Claim, things: Sequence[Thing]) -> bool:
    """Whether a claim is true of a picture with these things and no others.

    entity: one of this shape is there. colour: one of this colour and shape. count: there are exactly so many.
    relation: for some pair of things so named the centres lie as said on the relation's axis, however near (`holds`).
    size: for some pair the longer side of the box is greater, or less. A negated claim is true where for some pair the
    relation does not hold; what speaks of a thing that is not there is false, negated or not.
    Raises ValueError for a claim of another kind, relation or size.
    """
    if claim.kind in ("entity", "colour"):
        return bool(_called(things, claim.subject))
    if claim.kind == "count":
        return len(things) == claim.number
    if claim.kind not in SPATIAL_KINDS:
        raise ValueError(f"kind must be one of {', '.join(CLAIM_KINDS)}, got {claim.kind!r}")
    if claim.kind == "size" and claim.relation not in ("larger", "smaller"):
        raise ValueError(f"relation must be larger or smaller in a claim of size, got {claim.relation!r}")
    subjects, objects = _called(things, claim.subject), _called(things, claim.object)
    return any(_said_of(claim, a, b) != claim.negated for a in subjects for b in objects if a is not b)


def verify_caption(caption: str, things: Sequence[Thing]) -> list[tuple[Claim, bool]]:
    """Each claim of the caption and whether it is true of the things."""
    return [(claim, claim_holds(claim, things)) for claim in claims_of(caption)]


@dataclass(frozen=True)
class ClaimAccuracy:
    """How many of the claims were right."""

    right: int
    claims: int

    @property
    def share(self) -> float:
        """right / claims; nan without claims."""
        return self.right / self.claims if self.claims else math.nan

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval, from 0 to 1 without claims. It takes the claims for independent draws, which those
        of one caption are not; for captions as draws see `bootstrap_interval` of a `ClaimTable`."""
        return wilson_interval(self.right, self.claims) if self.claims else Interval(math.nan, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class ClaimTable:
    """Claims made and claims that were right, by caption and by kind in the order of CLAIM_KINDS."""

    right: Int[np.ndarray, "captions kinds"]
    made: Int[np.ndarray, "captions kinds"]

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, rows) -> ClaimTable:
        """Some of the captions: a slice, a list of numbers or a mask."""
        return ClaimTable(self.right[rows], self.made[rows])

    def accuracy(self, kind: str = "all") -> ClaimAccuracy:
        """Of one kind, of `all` or of the `spatial` ones (relations and sizes). Raises ValueError for another word."""
        groups = {name: [name] for name in CLAIM_KINDS} | {"all": list(CLAIM_KINDS), "spatial": list(SPATIAL_KINDS)}
        if kind not in groups:
            raise ValueError(f"kind must be one of {', '.join(groups)}, got {kind!r}")
        columns = [CLAIM_KINDS.index(name) for name in groups[kind]]
        return ClaimAccuracy(int(self.right[:, columns].sum()), int(self.made[:, columns].sum()))

    def accuracies(self) -> dict[str, ClaimAccuracy]:
        """Of every kind, then `spatial` and `all`."""
        return {kind: self.accuracy(kind) for kind in (*CLAIM_KINDS, "spatial", "all")}

    @property
    def caption_mean(self) -> float:
        """Mean over captions of their share of right claims, captions without a claim left out. Presumably
        SPRIGHT's 88.9 %: its kinds weighted by their claims give 89.2 %. nan when no caption makes a claim."""
        made = self.made.sum(1)
        shares = self.right.sum(1)[made > 0] / made[made > 0]
        return float(shares.mean()) if len(shares) else math.nan


def verify_captions(captions: Sequence[str], things: Sequence[Sequence[Thing]]) -> ClaimTable:
    """The claims of every caption held against the things of its own picture.

    Raises ValueError for one text instead of a list, no captions, and other than one list of things a caption.
    """
    if isinstance(captions, str) or not len(captions):
        raise ValueError(f"captions must be a list of texts, at least one, got {captions!r}")
    if len(captions) != len(things):
        raise ValueError(f"things must have one list a caption, got {len(things)} for {len(captions)} captions")
    right, made = np.zeros((2, len(captions), len(CLAIM_KINDS)), dtype=np.int64)
    for row, (caption, seen) in enumerate(zip(captions, things, strict=True)):
        for claim, true in verify_caption(caption, seen):
            made[row, CLAIM_KINDS.index(claim.kind)] += 1
            right[row, CLAIM_KINDS.index(claim.kind)] += true
    return ClaimTable(right, made)


def _called(things: Sequence[Thing], name: str | None) -> list[Thing]:
    """Things of a name, `red disk`, or of a shape, `disk`."""
    return [thing for thing in things if name in (thing.name, thing.shape)]


def _said_of(claim: Claim, first: Thing, second: Thing) -> bool:
    if claim.kind == "relation":
        return holds(claim.relation, first.centre, second.centre)
    return first.size > second.size if claim.relation == "larger" else first.size < second.size
