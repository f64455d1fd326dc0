"""Lines of text, and numbers with their units."""

from rich.console import Console


def say(console: Console, text: str) -> None:
    """Print a line as it is: without markup, colours or line breaks of our own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def size(count: int) -> str:
    """A number of bytes as text, such as ``1.5 GB``."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:.3g} {unit}"
    return f"{count} bytes"


def operations(number: float) -> str:
    """A number of floating-point operations as text, such as ``3.2 teraflop``."""
    for unit, power in (("exa", 1e18), ("peta", 1e15), ("tera", 1e12), ("giga", 1e9)):
        if number >= power:
            return f"{number / power:.3g} {unit}flop"
    return f"{number / 1e6:.3g} megaflop"


def duration(seconds: float) -> str:
    """Seconds as text: ``40 s``, ``3 min``, ``2.5 h``, ``1.3 days``."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            count = seconds / length
            return f"{count:.2g} {unit}" if unit != "min" and count < 10 else f"{count:,.0f} {unit}"
    return f"{seconds:.0f} s"
