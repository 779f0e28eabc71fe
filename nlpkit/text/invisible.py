"""Characters that nobody sees, and those that steer what shows them: two sets that overlap."""

from __future__ import annotations

import re
from collections.abc import Sequence

# First and last code points of what stands in a text without being seen. White space is seen, by the gap that it makes.
INVISIBLE = (
    *((0x00, 0x08), (0x0E, 0x1B), (0x7F, 0x84), (0x86, 0x9F)),  # control characters, but for white space
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
# Of what moves a cursor, breaks a line, turns the direction of writing or hides a message, all but ASCII's control
# characters, most of which are invisible, too. Joiners and variation selectors are not among them: emoji and scripts
# are shown by them, as they should be.
STEERING = (
    *((0x7F, 0x9F), (0x61C, 0x61C), (0x200E, 0x200F), (0x2028, 0x202E), (0x2066, 0x2069), (0xFFF9, 0xFFFB)),
    (0xE0000, 0xE007F),  # tags
)


def ranges(pairs: Sequence[tuple[int, int]]) -> str:
    """Write the inside of a class of a regular expression."""
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in pairs)


ANY_INVISIBLE = f"[{ranges(INVISIBLE)}]"  # a class of a regular expression
_HIDDEN = re.compile(f"{ANY_INVISIBLE}+")


def visible(text: str) -> str:
    """Drop the characters of a text that nobody sees: see `nlpkit.text.normalisation.Normaliser`."""
    return _HIDDEN.sub("", text)
