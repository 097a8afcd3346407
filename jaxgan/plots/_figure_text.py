"""Text of matplotlib's figures in any script."""

from typing import TYPE_CHECKING

from jaxgan.plots import fonts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def fit(figure: "Figure") -> None:
    """Give the texts of a figure the fonts that they need, and take dollars as dollars."""
    from matplotlib.font_manager import FontEntry, fontManager
    from matplotlib.text import Text

    known = {entry.name for entry in fontManager.ttflist}
    for text in figure.findobj(Text):
        written = text.get_text()
        if written.startswith(r"$\mathdefault"):  # a number of an axis
            continue
        lines = [fonts.readable(line) for line in written.split("\n")]
        text.set_text("\n".join(lines).replace("$", r"\$"))
        paths = dict.fromkeys(run.path for line in lines for run in fonts.runs(line))
        paths.pop(fonts.OWN, None)
        # A file is a family of its own: whatever its weight is, it is taken as it is.
        fontManager.ttflist += [FontEntry(fname=x, name=x) for x in paths if x not in known]
        known |= paths.keys()
        text.set_fontfamily([*text.get_fontfamily(), *paths])
