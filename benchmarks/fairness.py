"""What a newcomer waits for and then gets, among users with long backlogs: `python -m benchmarks.fairness [users …]`.

Slots work in simulated time through the product's own queue, on SQLite: they claim batches of one network, which takes
from 0.1 to 0.7 s depending on its user. Once they are at work a newcomer submits. Counted are the batches that begin
until its smoke run does, beside the bound that the tests hold, users + slots; and its share of the slots' time from its
arrival on, beside one part of as many as there are entrants.
"""

import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.records import Purpose
from tests.databases import ready
from tests.factories import make_competition, make_tiny_zoo
from tests.submissions.evaluation.simulated_slots import Simulation, enlarge, entrants

USERS, SLOTS = (1, 2, 5, 10, 20, 50), (1, 4, 16)
NETWORKS = 600  # of a submission: more than are evaluated
TURNS = 20  # batches of each entrant or slot, whichever are more, over which the share is measured
_CAPTION = "share: of the slots' time from the newcomer's arrival on; fair: 1 / entrants, with the newcomer"


@dataclass(frozen=True)
class Newcomer:
    """batches: that began until its smoke run did, this one included. share: of the slots' time."""

    batches: int
    share: float


def newcomer_among(users: int, slots: int) -> Newcomer:
    """What a newcomer gets among so many users."""
    with (
        tempfile.TemporaryDirectory(prefix="gengap-fairness-") as folder,
        closing(ready(Database(f"sqlite:///{folder}/gengap.sqlite"))) as db,
    ):
        zoo, store = make_tiny_zoo(Path(folder) / "zoo"), BundleStore(Path(folder) / "home" / "store")
        competition = make_competition(db, store, [zoo], daily_quota=1000)
        enlarge(db, NETWORKS)
        known = entrants(competition, users)
        seconds = {submission: 0.1 * (1 + place % 7) for place, (submission,) in enumerate(known)}
        simulation = Simulation(competition, slots, seconds)
        simulation.run(2 * users + slots + 5)
        mine = competition.submit(competition.user("newcomer"))
        seconds[mine] = 0.4
        before, start = len(simulation.begun), sum(simulation.used.values())
        simulation.run(TURNS * max(users + 1, slots))
        batches = simulation.begun[before:].index((mine, Purpose.SMOKE)) + 1
        return Newcomer(batches, simulation.used[mine] / (sum(simulation.used.values()) - start))


def main() -> None:
    table = Table(title="A newcomer among users with long backlogs", caption=_CAPTION)
    for heading in ("users", "slots", "batches until its smoke run", "bound", "share", "fair", "share / fair"):
        table.add_column(heading, justify="right")
    for users in [int(number) for number in sys.argv[1:]] or USERS:
        for slots in SLOTS:
            found, fair = newcomer_among(users, slots), 1 / (users + 1)
            numbers = f"{found.share:.3f}", f"{fair:.3f}", f"{found.share / fair:.2f}"
            table.add_row(str(users), str(slots), str(found.batches), str(users + slots), *numbers)
    Console().print(table)


if __name__ == "__main__":
    main()
