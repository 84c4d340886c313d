"""The limits of a phase: what one network may cost. Each limit is declared once, as a field of `Limits`.

Everything that lists limits is made from `LIMITS`: the columns of `PhaseRecord`, the organizers' form, the API, the
competition's page, the command line's options and the documentation's tables. A `Limits` goes whole from the phase to
the sandbox. A new limit is a field here, its column in a migration, and the place in `worker/` that enforces it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_type_hints

MEBIBYTE = 2**20
GIBIBYTE = 2**30
_DIGITS = 12  # of a whole number that somebody types
_SPEC = "limit"


class Unit(Enum):
    """What a limit is counted in, and in what people type it into forms and commands.

    Attributes
    ----------
    suffix, entry_suffix : str
        How the names of such a limit end in code and in forms (``memory_bytes``, ``memory_mib``).
    word : str
        The unit in which it is typed; empty for a count.
    scale : int
        How many of the limit's own units make one of those that are typed.
    """

    SECONDS = ("_s", "_s", "seconds", 1)
    BYTES = ("_bytes", "_mib", "MiB", MEBIBYTE)
    COUNT = ("", "", "", 1)

    def __init__(self, suffix: str, entry_suffix: str, word: str, scale: int) -> None:
        self.suffix = suffix
        self.entry_suffix = entry_suffix
        self.word = word
        self.scale = scale


@dataclass(frozen=True)
class Limit:
    """One limit, as everything that lists limits needs it.

    Attributes
    ----------
    name : str
        Its field of `Limits`, column and JSON key.
    title : str
        What it bounds, in lower case, as in "64 processes" or "2 GiB of memory".
    unit : Unit
    default : float or int or None
        In the limit's own unit. None: not limited.
    least, most : float or None
        Inclusive bounds, in the limit's own unit; ``most`` None: none.
    help : str
        A sentence or two for organizers.
    is_optional : bool
        Whether None ("not limited") is allowed.
    """

    name: str
    title: str
    unit: Unit
    default: float | None
    least: float
    most: float | None
    help: str
    is_optional: bool

    @property
    def kind(self) -> type[float] | type[int]:
        """The type of its values: seconds may be fractions, bytes and counts may not."""
        return float if self.unit is Unit.SECONDS else int

    @property
    def entry_name(self) -> str:
        """Its name where people type it: ``wall_s``, ``memory_mib``, ``processes``."""
        return self.name.removesuffix(self.unit.suffix) + self.unit.entry_suffix

    @property
    def label(self) -> str:
        """Its title with the unit in which it is typed, such as "Memory (MiB)"."""
        title = self.title[0].upper() + self.title[1:]
        return f"{title} ({self.unit.word})" if self.unit.word else title

    @property
    def bounds(self) -> str:
        """Its bounds in words, in the unit in which it is typed."""
        word = f" {self.unit.word}" if self.unit.word else ""
        least = f"{self.least / self.unit.scale:.12g}"
        return (
            f"at least {least}{word}"
            if self.most is None
            else (f"from {least} to {self.most / self.unit.scale:.12g}{word}")
        )

    def entry(self, value: float | None) -> str:
        """Write a value as people type it; empty for None."""
        return "" if value is None else f"{value / self.unit.scale:.12g}"

    def read(self, text: str) -> float | None:
        """Read a value that somebody typed.

        Parameters
        ----------
        text : str
            A number in the unit in which the limit is typed; empty: None, where the limit is optional.

        Returns
        -------
        float or int or None
            In the limit's own unit. Its bounds are not checked.

        Raises
        ------
        ValueError
            With a sentence for the person who typed it.
        """
        if not text and self.is_optional:
            return None
        if self.kind is int:
            if text.isascii() and text.isdecimal() and len(text) <= _DIGITS:
                return int(text) * self.unit.scale
            raise ValueError("Give a whole number.")
        try:
            return float(text) * self.unit.scale
        except ValueError:
            raise ValueError(f"Give a number of {self.unit.word}.") from None

    def fault(self, value: float | None) -> str | None:
        """Return a sentence that names the bounds where a value is out of them, or else None."""
        if value is None:
            is_right = self.is_optional
        else:
            is_right = math.isfinite(value) and self.least <= value and (self.most is None or value <= self.most)
        return None if is_right else f"Give {self.bounds}{', or nothing' if self.is_optional else ''}."


def _limit(
    default: float | None, title: str, unit: Unit, *, least: float, most: float | None = None, about: str
) -> Any:
    """Declare a field of `Limits` that a phase sets; see `Limit` for the parameters."""
    return field(default=default, metadata={_SPEC: (title, unit, least, most, about)})


@dataclass(frozen=True)
class Limits:
    """What one network may cost, enforced outside the participant's code.

    Every field that is declared with `_limit` is a limit of a phase, see `LIMITS`. `cpus` is not: every phase grants
    the one processor that is the default here.

    Attributes
    ----------
    wall_s, cpu_s : float
        Seconds by the clock, and processor seconds of all of a network's processes together (None: not limited).
    memory_bytes, scratch_bytes, log_bytes : int
        Bytes of memory, of files in ``/tmp``, and of printed output.
    processes : int
        Processes and threads besides the first.
    cpus : int
        Processors that the processes may use, and torch's threads.
    """

    wall_s: float = _limit(
        60.0, "wall time", Unit.SECONDS, least=0.1, most=86_400, about="Of one network, by the clock."
    )
    cpu_s: float | None = _limit(
        None,
        "processor time",
        Unit.SECONDS,
        least=0.1,
        most=864_000,
        about="Of all processes of a network together. Empty: as much as the wall time allows.",
    )
    memory_bytes: int = _limit(
        2 * GIBIBYTE,
        "memory",
        Unit.BYTES,
        least=64 * MEBIBYTE,
        about="Of all processes of a network together, with its files in /tmp. Torch needs at least 64 MiB.",
    )
    scratch_bytes: int = _limit(
        256 * MEBIBYTE, "scratch space", Unit.BYTES, least=MEBIBYTE, about="Files in /tmp and /dev/shm together."
    )
    log_bytes: int = _limit(
        MEBIBYTE, "printed output", Unit.BYTES, least=MEBIBYTE, about="A measure that prints more fails."
    )
    processes: int = _limit(
        64, "processes", Unit.COUNT, least=1, most=10_000, about="Processes and threads besides the first."
    )
    cpus: int = 1

    def __composite_values__(self) -> tuple[float | None, ...]:
        """Return the values of `LIMITS` in order; SQLAlchemy writes them into a phase's columns."""
        return tuple(getattr(self, limit.name) for limit in LIMITS)

    @classmethod
    def of_columns(cls, *values: Any) -> "Limits":
        """Make the limits from the values of a phase's columns, in the order of `LIMITS`."""
        return cls(**{limit.name: value for limit, value in zip(LIMITS, values, strict=True)})

    def of_phase(self) -> Mapping[str, float | None]:
        """Return the values of a phase's limits by name."""
        return {limit.name: getattr(self, limit.name) for limit in LIMITS}

    def faults(self) -> dict[str, str]:
        """Return one sentence for each limit that is out of its bounds, by name; empty where none is."""
        found = {limit.name: limit.fault(getattr(self, limit.name)) for limit in LIMITS}
        return {name: sentence for name, sentence in found.items() if sentence is not None}


def _limits() -> tuple[Limit, ...]:
    hints, defaults = get_type_hints(Limits), Limits()
    found = []
    for one in fields(Limits):
        if one.metadata:
            title, unit, least, most, about = one.metadata[_SPEC]
            is_optional = NoneType in get_args(hints[one.name])
            found.append(Limit(one.name, title, unit, getattr(defaults, one.name), least, most, about, is_optional))
    return tuple(found)


LIMITS = _limits()
