"""A grid to paint on: one button a cell, dark where it is painted."""

from __future__ import annotations

DARK, LIGHT = "#333333", "#e4e4e4"
_CELL = 22


def painting(description: str, value: tuple[tuple[bool, ...], ...]) -> object:
    """A widget whose `value` is rows of bools. A click turns one cell; `clear` turns all off."""
    import ipywidgets
    import traitlets

    looks = {cell: ipywidgets.ButtonStyle(button_color=DARK if cell else LIGHT) for cell in (True, False)}
    side = f"{_CELL}px"
    layout = ipywidgets.Layout(width=side, height=side, margin="0", padding="0", min_width=side)

    class Painting(ipywidgets.VBox):
        value = traitlets.Tuple()

        def __init__(self) -> None:
            self.cells = [
                [
                    ipywidgets.Button(style=looks[cell], layout=layout, tooltip=f"row {i + 1}, column {j + 1}")
                    for j, cell in enumerate(row)
                ]
                for i, row in enumerate(value)
            ]
            for i, row in enumerate(self.cells):
                for j, button in enumerate(row):
                    button.on_click(lambda _, i=i, j=j: self._turn(i, j))
            buttons = [button for row in self.cells for button in row]
            columns = f"repeat({len(value[0])}, {_CELL + 1}px)"
            board = ipywidgets.GridBox(buttons, layout={"grid_template_columns": columns, "grid_gap": "1px 0"})
            clear = ipywidgets.Button(description="clear", layout={"width": "70px"})
            clear.on_click(lambda _: self.set_trait("value", tuple((False,) * len(row) for row in self.value)))
            caption = ipywidgets.HBox([ipywidgets.Label(f"{description}: click a cell to turn it"), clear])
            super().__init__([caption, board], value=value)

        def _turn(self, i: int, j: int) -> None:
            rows = [list(row) for row in self.value]
            rows[i][j] = not rows[i][j]
            self.value = tuple(map(tuple, rows))

        @traitlets.observe("value")
        def _show(self, change) -> None:
            for row, wanted in zip(self.cells, change["new"], strict=True):
                for button, cell in zip(row, wanted, strict=True):
                    if button.style is not looks[cell]:
                        button.style = looks[cell]

    return Painting()
