"""Ticks of the axes of figures of matplotlib."""


def whole_numbers(axes) -> None:
    """Set ticks of the x axis at integers."""
    from matplotlib import ticker

    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))


def logarithmic(axes) -> None:
    """Make the y axis logarithmic; a range of few powers of ten gets plain numbers."""
    from matplotlib import ticker

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high > 1e4 * low:  # for example after a lane diverged
        axes.yaxis.set_major_locator(ticker.LogLocator())
        axes.yaxis.set_major_formatter(ticker.LogFormatterMathtext())
    else:
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
