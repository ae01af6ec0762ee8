"""Display: tables with two forms, colours that read on light and dark pages."""

from __future__ import annotations

import re
from itertools import product

import pytest
from IPython.display import HTML

from lib.workbench import html_table, theme, tint
from lib.workbench.display import _HUES, is_interactive, show

PAGES = {  # background, and text colours 0 and 1 of JupyterLab's themes as (rgb, opacity)
    "light page": ((255, 255, 255), ((0, 0, 0), 1.0), ((0, 0, 0), 0.87)),
    "light row": ((245, 245, 245), ((0, 0, 0), 1.0), ((0, 0, 0), 0.87)),
    "dark page": ((17, 17, 17), ((255, 255, 255), 1.0), ((255, 255, 255), 1.0)),
    "dark row": ((33, 33, 33), ((255, 255, 255), 1.0), ((255, 255, 255), 1.0)),
}


def over(colour, opacity, ground):
    return tuple(opacity * c + (1 - opacity) * g for c, g in zip(colour, ground, strict=True))


def contrast(one, other):
    """WCAG 2.2: (L1 + 0.05) / (L2 + 0.05) of the relative luminances."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_wcags():
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize(("name", "page"), list(product(_HUES, PAGES)))
def test_a_theme_colour_reads_on_both_pages(name, page):
    ground, (text, _), _ = PAGES[page]
    form = r"color-mix\(in srgb, rgb\((\d+),(\d+),(\d+)\) (\d+)%, var\(--jp-content-font-color0, #000\)\)"
    *hue, share = map(int, re.fullmatch(form, theme(name)).groups())
    assert contrast(over(hue, share / 100, text), ground) >= 4.5


@pytest.mark.parametrize(("name", "page"), list(product(_HUES, PAGES)))
def test_text_reads_on_every_tint_of_both_pages(name, page):
    ground, _, (text, opacity) = PAGES[page]
    *hue, share = re.fullmatch(r"rgba\((\d+),(\d+),(\d+),([\d.]+)\)", tint(name)).groups()
    below = over(map(int, hue), float(share), ground)
    assert contrast(over(text, opacity, below), below) >= 4.5
    assert contrast(below, ground) > 1.05, "a tint that nobody sees"


def test_an_unknown_colour_is_refused():
    for wanted in (theme, tint):
        with pytest.raises(ValueError, match=r"name must be one of success, .*, got 'green'"):
            wanted("green")


def test_a_table_is_left_aligned_and_escaped():
    table = html_table(["a < b"], [["<b>x</b>"], [3]])
    assert '<th style="text-align:left;vertical-align:top;">a &lt; b</th>' in table.html
    assert table.html.count("text-align:left") == 3 and "&lt;b&gt;x&lt;/b&gt;" in table.html
    assert "<b>" not in table.html
    assert table.plain == "a < b\n<b>x</b>\n3" == repr(table)
    assert table.bundle == {"text/html": table._repr_html_(), "text/plain": table.plain}


def test_html_that_is_meant_goes_in_as_it_is_and_its_words_into_the_text():
    table = html_table(None, [[HTML("<b>a &amp; b</b>"), html_table(None, [["in"]])]])
    assert "<b>a &amp; b</b>" in table.html and table.html.count("<table>") == 2
    assert table.plain == "a & b  in"


def test_code_keeps_its_lines_and_its_indentation():
    code = "for x in y:\n    print(x)"
    by_name = html_table(["before", "after"], [[code, "one\ntwo\nthree"]], code_columns=["before"])
    by_place = html_table(["before", "after"], [[code, "one\ntwo\nthree"]], code_columns=[0])
    assert by_name == by_place and by_name.html.count("white-space:pre-wrap;") == 1 and code in by_name.html
    assert by_name.plain.splitlines() == [
        "before        after",
        "for x in y:   one",
        "    print(x)  two",
        "              three",
    ]


def test_code_is_as_wide_as_its_longest_line_up_to_a_limit_and_then_wraps():
    def widths(*code):
        html = html_table([str(i) for i in range(len(code))], [code], code_columns=range(len(code))).html
        return re.findall(r"min-width:(\d+)ch", html)

    assert widths("for x in y:\n    print(x)") == ["12"]
    assert widths("x" * 500) == ["72"] and widths("x" * 500, "ab") == ["36", "2"]


def test_rows_are_tinted_and_columns_aligned():
    table = html_table(["a", "b"], [[1, 2], [3, 4], [5, 6]], align=["left", "right"], highlight={1: "error"})
    rows = re.findall(r"<tr[^>]*>", table.html)
    assert rows == ["<tr>", "<tr>", f'<tr style="background:{tint("error")}">', "<tr>"]
    assert table.html.count("text-align:right") == 4 == table.html.count("text-align:left")
    assert tint("warning") in html_table(["a"], [[1]], highlight=[0]).html


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rows": [[1, 2], [3]]}, "rows must have 2 cells each, got 1 in row 1"),
        ({"align": "middle"}, "align must be left, right or center, once or for each of 2 columns, got 'middle'"),
        ({"align": ["left"]}, r"align must be .*, got \['left'\]"),
        ({"highlight": [2]}, r"highlight must name rows 0 to 0, got \[2\]"),
        ({"code_columns": ["c"]}, r"code_columns must be among \['a', 'b'\], got \['c'\]"),
        ({"code_columns": [2]}, r"code_columns must be among \['a', 'b'\], got \[2\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        html_table(**{"head": ["a", "b"], "rows": [[1, 2]], **arguments})


def test_an_empty_table_is_its_head():
    assert html_table(["a"], []).plain == "a" and html_table(None, []).plain == ""


def test_outside_a_notebook_the_plain_text_is_printed_and_nobody_is_there(capsys):
    show(html_table(["a"], [[1]]).bundle)
    assert capsys.readouterr().out == "a\n1\n" and not is_interactive()
