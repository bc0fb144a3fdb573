"""Amounts in words: one or several, nothing rounded to none or to all, nothing unsigned."""


def counted(number: int, noun: str) -> str:
    """1 byte, 2 bytes."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def megapixels(millions: float) -> str:
    """0.01 megapixels, 1 megapixel, 567 megapixels: few are not rounded to none."""
    number = f"{millions:.0f}" if millions >= 99.5 else f"{millions:.2g}"
    return f"{number} megapixel" if number == "1" else f"{number} megapixels"


def percent(share: float) -> str:
    """A share in whole percents; 100% is said of all alone, and 0% of nothing."""
    if 0.995 <= share < 1.0:
        return "over 99%"
    if 0.0 < share < 0.005:
        return "under 1%"
    return f"{share:.0%}"


def digits(value: float, places: int) -> str:
    """A number to so many places, without a minus before nothing."""
    return f"{round(value, places) + 0.0:.{places}f}"
