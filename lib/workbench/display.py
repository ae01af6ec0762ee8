"""One output with several forms: rich in a notebook, plain text on a terminal and in tests; tables; theme colours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_HUES = {
    "success": (27, 127, 59),
    "error": (198, 40, 40),
    "warning": (176, 96, 0),
    "info": (0, 98, 168),
    "muted": (112, 112, 112),
}

_CODE_WIDTH = 72
"""Characters that a table's code columns have together before their lines wrap."""


def show(bundle: Mapping[str, object], alternative_text: str = "") -> None:
    """Display a MIME bundle as one output of the cell; without a notebook kernel, print its `text/plain`.

    A front end picks the richest form it knows, so the forms are alternatives and never appear twice.
    `alternative_text` describes a picture to whoever cannot see it.
    """
    if notebook_kernel() is None:
        print(bundle["text/plain"], flush=True)
        return
    from IPython.display import display

    display(dict(bundle), raw=True, metadata=_metadata_of(bundle, alternative_text))


def notebook_kernel() -> object | None:
    """The kernel that runs this cell, or None in a script, a test or a terminal."""
    import sys

    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None)


def is_interactive() -> bool:
    """True when a person's front end asked for this cell, False under papermill, nbval, nbconvert and in scripts.

    Execution requests say whether the asker can answer `input()` (Jupyter messaging protocol, `allow_stdin`):
    a person's front end can, a program that executes notebooks cannot.
    """
    kernel = notebook_kernel()
    if kernel is None:
        return False
    request = kernel.get_parent("shell") or {}
    return bool(request.get("content", {}).get("allow_stdin", False))


def theme(name: str) -> str:
    """A text colour for HTML that reads on light and dark pages: a hue mixed with the page's own text colour.

    success, error, warning, info, muted: at least 4.5:1 (WCAG 2.2, 1.4.3) on JupyterLab's pages and table rows.
    """
    red, green, blue = _hue(name)
    return f"color-mix(in srgb, rgb({red},{green},{blue}) 60%, var(--jp-content-font-color0, #000))"


def tint(name: str) -> str:
    """A background for HTML under the page's own text colour, on light and dark pages: the hue, mostly transparent."""
    red, green, blue = _hue(name)
    return f"rgba({red},{green},{blue},0.22)"


@dataclass(frozen=True)
class Table:
    """A table with two forms: `html`, and `plain` for terminals. A cell that ends in it shows it."""

    html: str
    plain: str

    @property
    def bundle(self) -> dict[str, object]:
        return {"text/html": self.html, "text/plain": self.plain}

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain


def html_table(
    head: Sequence[object] | None,
    rows: Sequence[Sequence[object]],
    *,
    align: str | Sequence[str] = "left",
    highlight: Collection[int] | Mapping[int, str] = (),
    code_columns: Collection[int | str] = (),
) -> Table:
    """A table whose cells are escaped; an object with `_repr_html_` (`IPython.display.HTML`, a table) goes in as it is.

    `align` is one word for all columns or one for each; `highlight` names rows (from 0) to tint, or maps them to one of
    `tint`'s names; `code_columns` (positions, or names of `head`) are monospace, keep their spaces and line ends,
    and wrap what is long.
    Raises ValueError for a row of another length, or an alignment, a row or a column that is not there.
    """
    table = [list(row) for row in rows]
    width = len(head) if head is not None else len(table[0]) if table else 0
    for number, row in enumerate(table):
        if len(row) != width:
            raise ValueError(f"rows must have {width} cells each, got {len(row)} in row {number}")
    tints = dict(highlight) if isinstance(highlight, Mapping) else dict.fromkeys(highlight, "warning")
    if not set(tints) <= set(range(len(table))):
        raise ValueError(f"highlight must name rows 0 to {len(table) - 1}, got {sorted(tints)}")
    styles = _column_styles(list(head or []), table, width, align, code_columns)
    lines = [] if head is None else ["<thead>" + _html_row("th", head, [style[0] for style in styles]) + "</thead>"]
    lines.append("<tbody>")
    for number, row in enumerate(table):
        background = f"background:{tint(tints[number])}" if number in tints else ""
        lines.append(_html_row("td", row, ["".join(style) for style in styles], background))
    lines.append("</tbody>")
    plain = _plain_table([*([] if head is None else [list(head)]), *table])
    return Table(f"<table>{''.join(lines)}</table>", plain)


def _column_styles(
    head: list[object],
    rows: list[list[object]],
    width: int,
    align: str | Sequence[str],
    code_columns: Collection[int | str],
) -> list[tuple[str, str]]:
    """For each column the style of its head, and what its cells add."""
    words = [align] * width if isinstance(align, str) else list(align)
    if len(words) != width or not set(words) <= {"left", "right", "center"}:
        raise ValueError(f"align must be left, right or center, once or for each of {width} columns, got {align!r}")
    code = {head.index(column) if column in head else column for column in code_columns}
    if not code <= set(range(width)):
        raise ValueError(f"code_columns must be among {head or list(range(width))}, got {list(code_columns)}")
    monospace = "font-family:var(--jp-code-font-family, monospace);white-space:pre-wrap;overflow-wrap:anywhere;"
    least = {number: min(_longest_line(rows, number), _CODE_WIDTH // len(code)) for number in code}
    return [
        (
            f"text-align:{word};vertical-align:top;",
            f"{monospace}min-width:{least[number]}ch;" if number in code else "white-space:normal;",
        )
        for number, word in enumerate(words)
    ]


def _longest_line(rows: list[list[object]], column: int) -> int:
    return max((len(line) for row in rows for line in _text_of(row[column]).split("\n")), default=0)


def _html_row(tag: str, cells: Sequence[object], styles: Sequence[str], background: str = "") -> str:
    shown = (f'<{tag} style="{style}">{_html_of(cell)}</{tag}>' for cell, style in zip(cells, styles, strict=True))
    return f'<tr style="{background}">{"".join(shown)}</tr>' if background else f"<tr>{''.join(shown)}</tr>"


def _html_of(cell: object) -> str:
    return cell._repr_html_() if hasattr(cell, "_repr_html_") else escape(str(cell))


def _text_of(cell: object) -> str:
    if hasattr(cell, "_repr_html_") and not isinstance(cell, Table):
        import re
        from html import unescape

        return unescape(re.sub(r"<[^>]+>", "", cell._repr_html_()))
    return str(cell)


def _plain_table(rows: list[list[object]]) -> str:
    """Columns padded to their longest line; a cell of several lines stays in its column."""
    cells = [[_text_of(cell).split("\n") for cell in row] for row in rows]
    widths = [
        max(len(line) for row in cells for line in row[column]) for column in range(len(cells[0]) if cells else 0)
    ]
    lines = []
    for row in cells:
        for number in range(max(map(len, row), default=0)):
            parts = (cell[number] if number < len(cell) else "" for cell in row)
            lines.append("  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())
    return "\n".join(lines)


def _hue(name: str) -> tuple[int, int, int]:
    if name not in _HUES:
        raise ValueError(f"name must be one of {', '.join(_HUES)}, got {name!r}")
    return _HUES[name]


def _metadata_of(bundle: Mapping[str, object], alternative_text: str) -> dict[str, object]:
    """What notebooks know of a picture: its text, and its size on the page."""
    if "image/png" not in bundle:
        return {}
    import base64

    from lib.workbench.figures import shown_size

    png = bundle["image/png"]
    size = shown_size(base64.b64decode(png[:64]) if isinstance(png, str) else png)
    return {"image/png": {**({"alt": alternative_text} if alternative_text else {}), **size}}
