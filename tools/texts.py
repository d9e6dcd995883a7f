"""Harmless comments for measuring: each another one, none nearly the repeat of an earlier one."""

import random

_THINGS = """
apples bridges buses cakes candles carpets castles chairs cherries clocks clouds coats concerts curtains doors drums
engines farms ferries fields fountains gardens gloves guitars harbours hills hotels islands jackets kettles kitchens
ladders lakes lamps lemons libraries maps markets mirrors museums novels onions orchards parks pianos pillows pumpkins
radios rivers roses schools shelves stairs stations stories tables teapots theatres tickets towers trains tulips
violins walls windmills windows winters
""".split()  # noqa: SIM905


def harmless(number: int) -> str:
    """The comment of this number; the same each time."""
    one, two, three, four, five, six = random.Random(number).sample(_THINGS, 6)
    return (
        f"I liked the part about {one} and {two}, the pictures of {three} near the {four} are lovely, "
        f"and it made me think of {five} and {six} ({number})."
    )
