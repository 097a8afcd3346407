"""Marks of the axes of matplotlib's figures."""


def whole_numbers(axes) -> None:
    """Mark whole numbers of the x axis."""
    from matplotlib import ticker

    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))


def logarithmic(axes) -> None:
    """Make the y axis logarithmic, with plain numbers where there are few powers of ten."""
    from matplotlib import ticker

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high > 1e4 * low:  # as where a lane diverged: powers of ten, as many as have room
        axes.yaxis.set_major_locator(ticker.LogLocator())
        axes.yaxis.set_major_formatter(ticker.LogFormatterMathtext())
    else:
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
