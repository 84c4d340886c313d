"""Runs jobs on zoos in a worker: at most one at a time, in a child process that is watched and can be ended.

A thread of the worker calls `ZooJobs.work`; the queue is `submissions.zoos.jobs`. `worker.zoo_intake.job_process`
does the job, in a process group of its own with a lower priority than evaluations: all of its memory is freed at the
end, and whatever it has started ends with it.
"""

import contextlib
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import asdict

from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.zoos import jobs
from worker.sandbox.spawn import Spawner

LOOK_S = 0.5
CLEAN_UP_S = 60.0  # for the files of a job that has ended
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_log = logging.getLogger(__name__)


class ZooJobs:
    """The jobs of one worker process. owner_prefix: its id, with which the names of its leases begin."""

    def __init__(self, settings: Settings, db: Database, *, owner_prefix: str) -> None:
        self._settings = settings
        self._db = db
        self._owner_prefix = owner_prefix
        self._spawner = Spawner()
        self._is_busy = threading.Lock()
        self._stopping = threading.Event()

    def work(self) -> int:
        """Do the waiting jobs one after another; return how many. Returns 0 at once if a job is already running."""
        if not self._is_busy.acquire(blocking=False):
            return 0
        try:
            done = 0
            while not self._stopping.is_set():
                owner = f"{self._owner_prefix}/{uuid.uuid4().hex[:12]}"
                job = jobs.claim(self._db, owner, self._settings.lease_s)
                if job is None:
                    break
                self._run(job)
                done += 1
            return done
        finally:
            self._is_busy.release()

    def stop(self) -> None:
        """Start no further job, end the running one and give it back."""
        self._stopping.set()

    def _run(self, job: jobs.Job) -> None:
        """Watch the job's process until it ends and renew the lease; end it if the lease is lost or we stop."""
        process = self._spawner.start(
            [sys.executable, "-P", "-m", "worker.zoo_intake.job_process"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            # the kernel sends SIGTERM to a job whose worker was killed; the job then ends its own children
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM)),
        )
        try:
            _send_task(process, self._settings, job)
            is_held = self._watch(process, job)
        finally:
            _end(process)
        if self._stopping.is_set():
            jobs.release(self._db, job.id, job.owner)
        elif is_held and process.returncode != 0:
            _log.error("job %d on a zoo: its process ended with %s", job.id, process.returncode)
            jobs.return_jobs_of(self._db, [job.owner])

    def _watch(self, process: "subprocess.Popen[bytes]", job: jobs.Job) -> bool:
        """Wait for the process while the lease holds; return whether it still does."""
        lease_s = self._settings.lease_s
        looks = 0
        while not self._stopping.is_set():
            try:
                process.wait(LOOK_S)
                return True
            except subprocess.TimeoutExpired:
                looks += 1
                is_due = looks * LOOK_S >= lease_s / 3
            if is_due:
                looks = 0
                if not jobs.heartbeat(self._db, job.id, job.owner, lease_s):
                    self._let_clean_up(process, job)
                    return False
        return True

    def _let_clean_up(self, process: "subprocess.Popen[bytes]", job: jobs.Job) -> None:
        """Wait for a process that has ended its job, and so has no lease, while it removes its files."""
        with self._db.read() as session:
            found = jobs.find_job(session, job.id)
        if found is not None and found.state.is_final:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(CLEAN_UP_S)


def _send_task(process: "subprocess.Popen[bytes]", settings: Settings, job: jobs.Job) -> None:
    """Send the job over stdin: settings may contain passwords, and arguments are visible to every process."""
    assert process.stdin is not None
    told = json.dumps({"settings": settings.model_dump(mode="json"), "job": asdict(job)})
    with contextlib.suppress(BrokenPipeError), process.stdin:  # it may have ended already; its exit status says how
        process.stdin.write(told.encode())


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and everything that it has started. The next attempt cleans up, or continues."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
