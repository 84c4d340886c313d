"""How names of people and teams are compared: by letters whatever their case, and by what they look like.

What names look like is their skeleton in the sense of Unicode's Technical Standard 39: Cyrillic а is a, 0 is o, m is
rn. Records store both keys; `submissions.leaderboard.shown_names` decides by them who may have a name.
"""

import unicodedata

from homoglyph._skeleton import is_default_ignorable
from homoglyph._skeleton import skeleton as _skeleton_of_case

NAME_LENGTHS = (2, 40)
_MOST_MARKS = 4  # in a row, as UTS 39 advises
_LETTERS, _MARKS, _DIGITS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo"}), frozenset({"Mn", "Mc"}), frozenset({"Nd"})


def plain_name(text: str) -> str:
    """Return a name as it is stored: without outer spaces, full-width letters and the like as ordinary ones (NFKC)."""
    return unicodedata.normalize("NFKC", text).strip()


def name_key(name: str) -> str:
    """Return the key by which names are the same whatever their case."""
    return plain_name(plain_name(name).casefold())


def skeleton(name: str) -> str:
    """Return what a name looks like: names that look alike, whatever their case, have the same skeleton.

    References
    ----------
    Unicode Technical Standard 39, Unicode Security Mechanisms, section 4.
    """
    text = plain_name(name)
    while (folded := " ".join(plain_name(_skeleton_of_case(text).casefold()).split())) != text:
        text = folded
    return text


def is_name(name: str, separators: str) -> bool:
    """Check that a name has letters and digits of any script, and between them only these separators.

    It begins with a letter or digit, has no separator twice in a row but for those that are not spaces, and nothing
    that is invisible or is stacked up over a letter.
    """
    marks = 0
    for place, character in enumerate(name):
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in _MARKS else 0
        is_sound = kind in _LETTERS | _DIGITS or (place > 0 and (kind in _MARKS or character in separators))
        if not is_sound or marks > _MOST_MARKS or is_default_ignorable(character):
            return False
    return bool(name) and "  " not in name and max(len(name), len(name_key(name))) <= NAME_LENGTHS[1]
