"""Text in any script in figures of matplotlib."""

from typing import TYPE_CHECKING

from jaxgan.plots import fonts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def fit(figure: "Figure") -> None:
    """Set the fonts that the texts of a figure need, and show dollar signs literally."""
    from matplotlib.font_manager import FontEntry, fontManager
    from matplotlib.text import Text

    names = {entry.name for entry in fontManager.ttflist}
    for text in figure.findobj(Text):
        content = text.get_text()
        if content.startswith(r"$\mathdefault"):  # a number of an axis
            continue
        lines = [fonts.readable(line) for line in content.split("\n")]
        text.set_text("\n".join(lines).replace("$", r"\$"))
        paths = dict.fromkeys(run.path for line in lines for run in fonts.runs(line))
        paths.pop(fonts.OWN, None)
        # Each file is its own family, so matplotlib uses it whatever its weight.
        fontManager.ttflist += [FontEntry(fname=x, name=x) for x in paths if x not in names]
        names |= paths.keys()
        text.set_fontfamily([*text.get_fontfamily(), *paths])
