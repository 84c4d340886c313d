"""Evaluates a measure on a zoo without a database, as `gengap evaluate` does, and names the files of a network.

`worker.evaluator` evaluates what the queue has. Both give the same values.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from model_zoo import NetworkEntry, Zoo
from submissions.zoos.tracks import Track
from worker.sandbox.pool import SandboxPool
from worker.sandbox.protocol import Code, ContextFiles, Failure, Limits, NetworkFiles, Outcome, seed_of


def evaluate_zoo(
    pool: SandboxPool,
    zoo: Zoo,
    code: Code,
    limits: Limits,
    *,
    network_ids: Sequence[str] | None = None,
    draw: int = 0,
    is_profiled: bool = False,
) -> Generator[tuple[str, Outcome]]:
    """Evaluate a measure on a zoo's networks (all, or those named) in the pool's slots; yield outcomes as they arrive.

    Ends after the first failure. Raises SandboxError, and any other exception of one of the threads.

    draw: 0 for the random numbers that a server gives the measure; another number for others.
    """
    wanted = [network.id for network in zoo.networks] if network_ids is None else list(network_ids)
    waiting = deque(wanted)
    outcomes: SimpleQueue[tuple[str, Outcome] | BaseException] = SimpleQueue()
    digest = f"{code.digest}/{draw}" if draw else code.digest

    def evaluate_share() -> None:
        try:
            with pool.borrow() as sandbox:
                sandbox.start(code, limits)
                while waiting:
                    network_id = waiting.popleft()
                    files = network_files(zoo, network_id, code.track)
                    outcome = sandbox.evaluate(files, seed_of(digest, network_id), is_profiled=is_profiled)
                    outcomes.put((network_id, outcome))
        except IndexError:  # the other thread took the last one
            return

    def tell_fault(share: Future[None]) -> None:
        if (fault := share.exception()) is not None:
            outcomes.put(fault)

    threads = min(pool.slots, len(wanted))
    with ThreadPoolExecutor(threads) as executor:
        for _ in range(threads):
            executor.submit(evaluate_share).add_done_callback(tell_fault)
        try:
            for _ in wanted:
                outcome = outcomes.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
                if isinstance(outcome[1], Failure):
                    return
        finally:
            waiting.clear()
            pool.interrupt()


def network_files(zoo: Zoo, network_id: str, track: Track = "standard") -> NetworkFiles:
    """Return the files of a network for a measure of this track; `context` is set only on the extended track."""
    network = zoo.network(network_id)
    return NetworkFiles(
        architecture=network.architecture,
        weights=network.weights,
        initial=network.initial,
        training_data=zoo.training_file,
        classes=zoo.manifest.classes,
        architecture_file=zoo.architecture_file if network.is_custom else None,
        context=_context_files(zoo, network) if track == "extended" else None,
    )


def _context_files(zoo: Zoo, network: NetworkEntry) -> ContextFiles:
    offers = zoo.offers
    return ContextFiles(
        siblings=network.siblings if "siblings" in offers else None,
        unlabelled=zoo.unlabelled_file if "unlabelled" in offers else None,
        trajectory=network.trajectory if "trajectory" in offers else None,
    )
