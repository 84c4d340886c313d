"""Looking for a key where it must not be."""

import base64

from model_zoo.recipes.keys import ZooKey


def shows_key(content: bytes, key: ZooKey) -> bool:
    """Whether a key is in the content: as digits, bytes, base64 or a decimal number."""
    raw = bytes.fromhex(key.key)
    texts = [key.key, key.key.upper(), base64.b64encode(raw).decode().rstrip("="), str(int(key.key, 16)), repr(raw)]
    return any(form in content for form in (raw, *(text.encode() for text in texts)))
