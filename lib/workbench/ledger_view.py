"""How claims look: a card while reading, one table at the end, both also as plain text.

The word and its mark are the evidence's, never this run's; at smoke scale there is none. A badge has its own pair of
colours, so that it reads the same in every theme; all other text has the theme's.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from lib.workbench.evidence import TIMED_MARGIN, Judgement, claim_rows, too_few
from lib.workbench.seed_dots import dots
from lib.workbench.verdicts import Comparison, from_json

if TYPE_CHECKING:
    from lib.workbench.claims import Claim, Ledger

BADGES = {
    "reproduced": ("\u2713", "#ffffff", "#1b7f3b"),
    "contradicted": ("\u2717", "#ffffff", "#b3261e"),
    "open": ("?", "#ffffff", "#5f5f5f"),
    "not judged": ("\u2013", "#ffffff", "#5f5f5f"),
}
"""Mark, colour of the text, colour behind it."""
GROUPS = {"paper": "The paper's claims", "ours": "Our own findings", "check": "Checks"}
SMOKE = "smoke run: shows that it runs, says nothing about the paper"
CAPTION = (
    "Reproduced: over at least three seeds, the 95 % interval of the value lies wholly on the claimed side of the "
    "threshold; contradicted: wholly on the other side; open: neither. The paper's claims, our own findings and checks "
    "of the code are counted apart; a check stands for itself. Dots are seeds, the ring is this run, the shade is the "
    "claimed side."
)
_CELL = "text-align:left;vertical-align:top;padding:3px 10px"
_LINE = "1px solid var(--jp-border-color2, #808080)"
_SAID = {True: "holds", False: "does not hold", None: "not shown"}


def card(ledger: Ledger, claim: Claim) -> dict[str, object]:
    """One claim, narrow: the verdict over the seeds, the claim, here; small, what this run and the seeds said."""
    judgement = ledger.judgement(claim)
    small = " \u00b7 ".join(filter(None, (this_run(ledger, claim), seeds_text(ledger, claim, judgement))))
    html = (
        f'<div style="max-width:52em;margin-bottom:6px;border-left:{_LINE};padding:2px 10px;text-align:left">'
        f"{badge(word(ledger, judgement))} {_statement(claim)}<br>here: {escape(claim.here)}<br>"
        f"<small>{escape(small)}</small></div>"
    )
    return {"text/html": html, "text/plain": line(ledger, claim)}


def table(ledger: Ledger) -> dict[str, object]:
    """All claims, grouped by kind, with their summary on top and the meaning of the words below."""
    banner = [SMOKE] if ledger.scale == "smoke" else []
    lines = [*banner, summary_line(ledger)]
    rows = []
    for kind, title in GROUPS.items():
        claims = [claim for claim in ledger if claim.kind == kind]
        if claims:
            lines += [f"{title}:", *(line(ledger, claim) for claim in claims)]
            rows.append(f'<tr><th colspan="4" style="{_CELL};border-top:{_LINE}">{title}</th></tr>')
            rows += [_row(ledger, claim) for claim in claims]
    titles = ("verdict", "claim, and what the paper says", "here, and in this run", "seeds")
    head = "".join(f'<th style="{_CELL}">{title}</th>' for title in titles)
    top = "".join(f"<p><b>{badge('not judged', text)}</b></p>" for text in banner)
    html = (
        f'{top}<p>{escape(summary_line(ledger))}</p><table style="border-collapse:collapse"><tr>{head}</tr>'
        f"{''.join(rows)}</table><p><small>{escape(CAPTION)}</small></p>"
    )
    return {"text/html": html, "text/plain": "\n".join([*lines, CAPTION])}


def summary_line(ledger: Ledger) -> str:
    """`13 claims of the paper: 8 reproduced, 2 contradicted, 3 open; our own findings: 4 of 5 reproduced; ...`"""
    if not len(ledger):
        return "no claims yet"
    words = {kind: Counter() for kind in GROUPS}
    for claim in ledger:
        words[claim.kind][word(ledger, ledger.judgement(claim))] += 1
    paper, parts = words["paper"], []
    if ledger.scale == "smoke":
        return f"{len(ledger)} claims, not judged at smoke scale"
    if paper:
        said = ", ".join(f"{paper[each]} {each}" for each in ("reproduced", "contradicted", "open"))
        parts.append(f"{paper.total()} claim{'s' * (paper.total() != 1)} of the paper: {said}")
    for kind, name in (("ours", "our own findings"), ("check", "checks")):
        if words[kind]:
            parts.append(f"{name}: {words[kind]['reproduced']} of {words[kind].total()} reproduced")
    return "; ".join(parts)


def line(ledger: Ledger, claim: Claim) -> str:
    """One claim on a terminal."""
    judgement = ledger.judgement(claim)
    notes = "; ".join(filter(None, (claim.kind, seeds_text(ledger, claim, judgement))))
    run = this_run(ledger, claim)
    return (
        f"{claim.id} {word(ledger, judgement)} ({notes}): {claim.says} | {paper_says(claim)} | here: {claim.here}"
        f"{f' | {run}' if run else ''}"
    )


def word(ledger: Ledger, judgement: Judgement) -> str:
    return "not judged" if ledger.scale == "smoke" else judgement.word


def badge(kind: str, text: str = "") -> str:
    mark, colour, behind = BADGES[kind]
    style = f"color:{colour};background-color:{behind};padding:1px 6px;white-space:nowrap;border-radius:3px"
    return f'<span style="{style}">{mark} {escape(text or kind)}</span>'


def this_run(ledger: Ledger, claim: Claim) -> str:
    """What this run's predicate said: its value and what was wanted; at smoke scale without a verdict."""
    said = [] if ledger.scale == "smoke" else [_SAID[claim.holds]]
    text = ": ".join([*said, claim.test.text])
    return f"this run: {text}" if text else ""


def seeds_text(ledger: Ledger, claim: Claim, judgement: Judgement) -> str:
    """`5 of 5 seeds`, and why a claim is open; at smoke scale nothing."""
    name = "runs" if claim.timed else "seeds"
    if ledger.scale == "smoke":
        return ""
    if not judgement.runs:
        return "needs no seeds" if claim.kind == "check" else too_few(0, claim.timed)
    evidence_scale = ledger.evidence.get("scale", ledger.scale)
    where = f" at {evidence_scale} scale" if evidence_scale != ledger.scale else ""
    notes = [f"{judgement.held} of {judgement.runs} {name}{where}"]
    notes += ["evidence of earlier code"] if judgement.earlier else []
    notes += [f"timed, with a margin of {TIMED_MARGIN:.0%}"] if claim.timed else []
    notes += [judgement.why] if judgement.why else []
    if other := ledger.judgement_beside(claim):
        notes.append(f"at {ledger.beside['scale']} scale {other.word}, {other.held} of {other.runs} {name}")
    return "; ".join(notes)


def _row(ledger: Ledger, claim: Claim) -> str:
    judgement = ledger.judgement(claim)
    run, seeds = this_run(ledger, claim), escape(seeds_text(ledger, claim, judgement))
    cells = (
        badge(word(ledger, judgement)),
        _statement(claim),
        escape(claim.here) + (f"<br><small>{escape(run)}</small>" if run else ""),
        "<br>".join([*_pictures(ledger, claim), f"<small>{seeds}</small>"]),
    )
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _statement(claim: Claim) -> str:
    return f"<b>{escape(claim.id)}</b> {escape(claim.says)} <small>({escape(paper_says(claim))})</small>"


def paper_says(claim: Claim) -> str:
    """`paper: 48.8 against 77.4`, or as it stands where the paper says nothing: `not in the paper; a control`."""
    return claim.paper if claim.paper.startswith("not in the paper") else f"paper: {claim.paper}"


def _pictures(ledger: Ledger, claim: Claim) -> list[str]:
    """A row of dots for each comparison of which every seed recorded the same one."""
    rows = claim_rows(ledger.evidence, claim.id)
    if ledger.scale == "smoke" or not rows or not all(row and row.get("test") for row in rows):
        return []
    seeds = [from_json(row["test"]).parts for row in rows]
    here = claim.test.parts
    if len({tuple((part.test, part.name) for part in parts) for parts in seeds}) > 1:
        return []
    pictures = []
    for place, parts in enumerate(zip(*seeds, strict=True)):
        mine = here[place] if place < len(here) and here[place].test == parts[0].test else None
        if isinstance(parts[0], Comparison):
            name = f"<small>{escape(parts[0].name)}</small><br>" if parts[0].name else ""
            pictures.append(name + dots(parts, mine))
    return pictures
