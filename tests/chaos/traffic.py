"""Participants who submit through the API, each in a thread, and repeat a request until it is answered.

A repeated request bears the key of the first one, so it must not make a second submission.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from tests.chaos.measures import MEASURES, Measure
from tests.chaos.site import Site

PAUSE_S = 0.2
TIMEOUT_S = 10.0
ACCEPTED, TRY_AGAIN = 201, (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Sent:
    """A submission that was accepted. `tries`: how many requests it took."""

    id: int
    name: str
    person: str
    number: int
    measure: Measure
    tries: int


class Traffic:
    """Submissions up to `total`, as fast as `allowed` and `window` let them.

    allowed: how many may be accepted by now, which keeps step with the faults. window: the most that are open at once.
    answers: how often the server answered what ("no answer": a connection that failed).
    """

    def __init__(self, site: Site, *, total: int, window: int, seed: int) -> None:
        self.allowed = 0
        self.open = 0
        self.sent: list[Sent] = []
        self.answers: Counter[str] = Counter()
        self.refused: list[str] = []
        self.faults: list[str] = []
        self.total = total
        self._site, self._window = site, window
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._begun = 0
        path = f"{site.url}/api/v1/competitions/{site.competition.slug}/phases/{site.competition.phase_slug}"
        self._path = f"{path}/submissions"
        self._plan = _plan(total, seed)
        self._threads = [
            threading.Thread(target=self._take_part, args=(person, token), daemon=True)
            for person, token in site.tokens.items()
        ]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 5)

    @property
    def is_done(self) -> bool:
        return len(self.sent) + len(self.refused) >= self.total

    def _next(self) -> int | None:
        """The number of the next submission, once there is room for it."""
        with self._lock:
            if self._begun >= min(self.allowed, self.total) or self.open >= self._window:
                return None
            self.open += 1  # until it is counted again
            self._begun += 1
            return self._begun - 1

    def _take_part(self, person: str, token: str) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
            while not self._ended.is_set():
                number = self._next()
                if number is None:
                    time.sleep(PAUSE_S)
                else:
                    self._submit(client, person, number)

    def _submit(self, client: httpx.Client, person: str, number: int) -> None:
        measure, key = self._plan[number]
        name = f"{measure.name} {number}"
        source = measure.source(number, self._site.fingerprint)
        for tries in itertools.count(1):
            answer = self._post(client, {"name": name, "source": source}, {"Idempotency-Key": key})
            if answer is not None and answer.status_code == ACCEPTED:
                sent = Sent(answer.json()["id"], name, person, number, measure, tries)
                with self._lock:
                    self.sent.append(sent)
                return
            if answer is not None and answer.status_code not in TRY_AGAIN and "Retry-After" not in answer.headers:
                with self._lock:
                    self.refused.append(f"{name}: {answer.status_code} {answer.text[:200]}")
                return
            if self._ended.wait(PAUSE_S):
                return

    def _post(self, client: httpx.Client, body: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response | None:
        try:
            answer = client.post(self._path, json=body, headers=headers)
            said = str(answer.status_code)
        except httpx.TransportError:
            answer, said = None, "no answer"
        with self._lock:
            self.answers[said] += 1
            if answer is not None and said == "500":
                self.faults.append(f"{self._path}: {answer.text[:200]}")
        return answer


def _plan(total: int, seed: int) -> list[tuple[Measure, str]]:
    """The measure of each submission, and the key of its requests; the same for the same seed."""
    rng = random.Random(seed)
    shares = [measure.share for measure in MEASURES]
    return [(rng.choices(MEASURES, shares)[0], f"{rng.getrandbits(128):032x}") for _ in range(total)]


def quotas(site: Site) -> Mapping[str, Mapping[str, int]]:
    """What the API tells each participant of their quota."""
    path = f"{site.url}/api/v1/competitions/{site.competition.slug}/phases/{site.competition.phase_slug}/quota"
    found = {}
    transport = httpx.HTTPTransport(retries=5, trust_env=False)
    with httpx.Client(timeout=6 * TIMEOUT_S, transport=transport, trust_env=False) as client:
        for person, token in site.tokens.items():
            answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()
            found[person] = answer.json()
    return found
