"""The key of a zoo with hidden truth: 256 random bits from which everything random in the zoo is derived.

It is the file private/key.json. Who holds it and the recipe can make the zoo again; nobody else can guess any of it.
"""

import hashlib
import itertools
import json
import secrets
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from model_zoo.manifest import Part, Sha256, ZooError, faults

KEY_BYTES = 32
_ID_BYTES = 6
_WORDS = np.dtype("<u8")
_FORMS = f"a key is {2 * KEY_BYTES} hexadecimal digits ({8 * KEY_BYTES} bits), or the private/key.json of a zoo"


class ZooKey(Part):
    """A key, bound to the recipe whose zoo it makes. It is never shown: not in `repr`, not in errors.

    Attributes
    ----------
    key : str
        64 hexadecimal digits.
    recipe_sha256 : str or None
        Of the recipe; None for an imported zoo. The same key gives zoos of two recipes nothing in common.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    format: Literal[1] = 1
    key: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    recipe_sha256: Sha256 | None = None

    def derive(self, count: int, *purpose: object) -> bytes:
        """Derive bytes for one purpose, with SHAKE256 of the key, the recipe and the purpose.

        Parameters
        ----------
        count : int
            Number of bytes.
        *purpose : object
            What JSON can hold. The bytes of one purpose say nothing of the key or those of any other purpose.

        Returns
        -------
        bytes
        """
        label = json.dumps([self.recipe_sha256, *purpose], sort_keys=True)
        return hashlib.shake_256(bytes.fromhex(self.key) + label.encode()).digest(count)

    def stream(self, *purpose: object) -> np.random.Generator:
        """Make numpy's generator for one purpose: Philox, whose key and counter are derived from this key."""
        words = np.frombuffer(self.derive(6 * _WORDS.itemsize, *purpose), _WORDS).astype(np.uint64)
        return np.random.Generator(np.random.Philox(key=words[:2], counter=words[2:]))

    def ids(self, count: int) -> list[str]:
        """Derive `count` different network ids of 12 hexadecimal digits, in random order."""
        ids: dict[str, None] = {}
        for place in itertools.count():
            if len(ids) == count:
                break
            ids[self.derive(_ID_BYTES, "id", place).hex()] = None
        return list(ids)

    def dump(self) -> bytes:
        """Serialize the key to the content of private/key.json."""
        return (self.model_dump_json(indent=1) + "\n").encode()


def new_key(recipe_sha256: str | None = None) -> ZooKey:
    """Make a key of random bits from the operating system."""
    return ZooKey(key=secrets.token_hex(KEY_BYTES), recipe_sha256=recipe_sha256)


def read_key(path: Path, recipe_sha256: str | None = None) -> ZooKey:
    """Read a key from a file of 64 hexadecimal digits, or from a zoo's private/key.json.

    Parameters
    ----------
    path : Path
    recipe_sha256 : str, optional
        The recipe that a zoo is to be made from.

    Returns
    -------
    ZooKey

    Raises
    ------
    ZooError
        If the file is not a key, or a key.json of another recipe. The message shows nothing of its content.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
        key = ZooKey.model_validate_json(text) if text.startswith("{") else None
        key = key or ZooKey(key=text.lower(), recipe_sha256=recipe_sha256)
    except OSError as error:
        raise ZooError(f"{path}: the key cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ZooError(f"{path}: not a key; {_FORMS}") from None
    except ValidationError as error:
        found = faults(error) if text.startswith("{") else f"{len(text)} characters, or others than hexadecimal digits"
        raise ZooError(f"{path}: not a key ({found}); {_FORMS}") from None
    if recipe_sha256 not in (None, key.recipe_sha256):
        raise ZooError(
            f"{path}: the key of a zoo made elsewhere or from another recipe, so it would give another zoo. Take that "
            "recipe word for word, or leave out --key for a new zoo with a key of its own"
        )
    return key
