"""The order of examples in `dataset.repeat().shuffle(buffer, seed)` of TensorFlow, number by number, without it.

TensorFlow keeps a buffer of examples, gives one of them at random, and fills its place with the next of the dataset. It
draws with the counter-based generator Philox 4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2,
3"), whose key comes from the program's global seed and the shuffle's own.
"""

from collections.abc import Iterator, Sequence
from itertools import count, islice

import torch
from torch import Tensor

_WORD = 2**32
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def tensorflow_order(examples: int, number: int, buffer: int, seed: int, global_seed: int) -> Tensor:
    """Which of the `examples` come first in TensorFlow's shuffle of their endless repetition: int64 (number,).

    seed: of the shuffle. global_seed: of `tf.random.set_seed`; without a call it is 87654321. Checked with 2.21.
    """
    seeds = philox(global_seed, seed)
    draws = philox(next(seeds), next(seeds))
    return buffered_order(examples, [draw % buffer for draw in islice(draws, number)], buffer)


def buffered_order(examples: int, picks: Sequence[int], buffer: int) -> Tensor:
    """The same for given draws of a place in the buffer, from 0 to buffer - 1: int64 (len(picks),)."""
    held = [place % examples for place in range(buffer)]
    order = []
    for start, pick in enumerate(picks):
        place, oldest = (start + pick) % buffer, start % buffer
        order.append(held[place])
        held[place] = held[oldest]
        held[oldest] = (start + buffer) % examples
    return torch.tensor(order)


def philox(key: int, counter: int) -> Iterator[int]:
    """Random numbers below 2³², endlessly; key and counter: 64 bits each."""
    for step in count():
        words = [step % _WORD, step // _WORD, counter % _WORD, counter // _WORD]
        keys = [key % _WORD, key // _WORD]
        for _ in range(_ROUNDS):
            first, second = _MULTIPLIERS[0] * words[0], _MULTIPLIERS[1] * words[2]
            words = [
                second // _WORD ^ words[1] ^ keys[0],
                second % _WORD,
                first // _WORD ^ words[3] ^ keys[1],
                first % _WORD,
            ]
            keys = [(one + more) % _WORD for one, more in zip(keys, _KEY_STEPS, strict=True)]
        yield from words
