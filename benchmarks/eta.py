"""What the estimate on a waiting submission's page costs, as the queue grows: `python -m benchmarks.eta [waiting …]`.

On SQLite, with submissions of several people over two zoos that wait for their scored runs, twenty scored ones and one
at work. Each time is the median of thirty estimates, for the first and the last that wait.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from submissions.evaluation import workers
from submissions.evaluation.eta import estimate
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import EvaluationRecord, RunRecord, SubmissionRecord
from submissions.storage.states import State
from tests.records import Records

SIZES = (100, 1000, 10_000)
NETWORKS, ROUNDS = 12, 30


def fill(records: Records, phase_id: int, waiting: int) -> list[int]:
    """So many submissions that wait; their ids."""
    template = records.submission(phase_id, created_now=True)
    with records.db.write() as session:
        one = session.get_one(SubmissionRecord, template)
        shared = {column.key: getattr(one, column.key) for column in SubmissionRecord.__mapper__.columns}
        zoos = [evaluation.zoo_id for evaluation in one.evaluations]
        ids = range(template + 1, template + waiting)
        session.execute(insert(SubmissionRecord), [{**shared, "id": number} for number in ids])
        evaluations = [
            {
                **{"id": 2 * number + place, "submission_id": number, "zoo_id": zoo, "attempt": 1, "position": place},
                **{"networks": NETWORKS, "state": State.QUEUED},
            }
            for number in ids
            for place, zoo in enumerate(zoos)
        ]
        session.execute(insert(EvaluationRecord), evaluations)
        runs = [
            {"evaluation_id": evaluation["id"], "network_id": f"{place:012x}", "position": place, "state": "pending"}
            for evaluation in evaluations
            for place in range(NETWORKS)
        ]
        session.execute(insert(RunRecord), runs)
    return [template, *ids]


def cost_ms(records: Records, submission_id: int) -> float:
    """Milliseconds of processor time for one estimate."""
    took = []
    for _ in range(ROUNDS):
        start = time.process_time()
        with records.db.read() as session:
            found = estimate(session, session.get_one(SubmissionRecord, submission_id), sweep_s=600.0)
        took.append(time.process_time() - start)
        assert found is not None
        assert found.ends_s is not None
    return 1000 * median(took)


def main() -> None:
    table = Table(title="CPU ms for one estimate, SQLite")
    for heading in ("waiting", "the first", "the last"):
        table.add_column(heading, justify="right")
    for waiting in tuple(int(size) for size in sys.argv[1:]) or SIZES:
        with tempfile.TemporaryDirectory(prefix="gengap-eta-") as folder:
            db = Database(f"sqlite:///{folder}/gengap.db")
            migrate(db)
            records = Records(db, Path(folder))
            phase_id = records.phase()
            for _ in range(20):
                records.submission(phase_id, cmi=(0.1, 0.2))
            records.submission(phase_id, records.bob, done=3)
            ids = fill(records, phase_id, waiting)
            workers.enter(db, "host/1", slots=2, backend="bubblewrap", layers={}, refusal=None)
            table.add_row(f"{waiting:,}", *(f"{cost_ms(records, one):.1f}" for one in (ids[0], ids[-1])))
            db.close()
    Console().print(table)


if __name__ == "__main__":
    main()
