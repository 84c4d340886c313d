"""Inputs of several fields that are checked together, so that a form can show a sentence at each faulty field."""

from collections.abc import Mapping


class FieldError(Exception):
    """Some fields of an input are not valid.

    Attributes
    ----------
    messages : Mapping[str, str]
        Field → one sentence.
    """

    def __init__(self, messages: Mapping[str, str]) -> None:
        super().__init__(" ".join(messages.values()))
        self.messages = dict(messages)


def faults(checks: Mapping[str, tuple[bool, str]]) -> dict[str, str]:
    """Return the sentences of the fields that are not valid.

    Parameters
    ----------
    checks : Mapping[str, tuple[bool, str]]
        Field → whether it is valid, and the sentence if it is not.
    """
    return {field: sentence for field, (is_valid, sentence) in checks.items() if not is_valid}
