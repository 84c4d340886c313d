"""Where zoos come from: unpacked from an upload, copied from a folder or S3, imported from PGDL, or trained.

`worker.zoo_intake.job_process` calls `bring`. The result is always a zoo's folder on this machine, which is then
checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_zoo.importers.import_process import import_in_child
from model_zoo.manifest import MANIFEST
from model_zoo.training.trained_zoos import cached_zoo
from model_zoo.training.training_process import Progress, TrainingOptions, train_in_child
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import JobKind
from submissions.zoos import uploads
from submissions.zoos.allowed_sources import S3, allowed_path
from worker.zoo_intake.archives import ArchiveLimits, unpack_zoo
from worker.zoo_intake.s3_folder import fetch_zoo

UNPACKED_PER_UPLOAD = 4  # an archive may unpack to so many times the largest upload
_ASKED_OF_PGDL = ("name", "title", "test_size", "truth_public")
Watch = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Found:
    """A zoo's folder and where it came from, as pages show it."""

    folder: Path
    source: str


@dataclass(frozen=True)
class Request:
    """What a job asks for. scratch: an empty folder for this attempt; kept: a folder that all attempts share."""

    settings: Settings
    db: Database
    arguments: Mapping[str, Any]
    scratch: Path
    kept: Path
    watch: Watch

    def text(self, name: str) -> str:
        return str(self.arguments[name])


def bring(kind: JobKind, request: Request) -> Found:
    """Return the zoo that the job asks for. Raises ZooError, ArchiveError, SourceError or UploadError."""
    return _METHODS[kind](request)


def _from_upload(request: Request) -> Found:
    filename = request.text("filename")
    archive = uploads.uploaded_file(request.db, request.settings, request.text("upload"))
    limits = ArchiveLimits(unpacked_bytes=UNPACKED_PER_UPLOAD * request.settings.zoo_upload_bytes)
    folder = unpack_zoo(archive, filename, request.scratch / "zoo", limits, request.watch)
    return Found(folder, f"upload of {filename}")


def _from_folder(request: Request) -> Found:
    address = request.text("address")
    if address.startswith(S3):
        return Found(fetch_zoo(address, request.scratch / "zoo", request.settings, request.watch), address)
    return Found(allowed_path(address, request.settings.zoo_sources), address)


def _from_pgdl(request: Request) -> Found:
    sources = request.settings.zoo_sources
    task = allowed_path(request.text("task"), sources)
    reference = request.text("reference")
    asked = {name: value for name, value in request.arguments.items() if name in _ASKED_OF_PGDL and value}
    places = {"task": task, "reference": allowed_path(reference, sources) if reference else None}
    report = import_in_child("pgdl", asked | places | {"out": request.scratch / "zoo"}, request.watch)
    return Found(report.folder, f"PGDL task {task}")


def _from_recipe(request: Request) -> Found:
    name, own = request.text("name"), request.arguments.get("toml")
    if own is None and (trained := cached_zoo(name, request.settings.cache)) is not None:
        return Found(trained, f"recipe {name}")
    recipe, out = request.scratch / "recipe.toml", request.kept / "zoo"
    if own is not None:
        recipe.write_text(str(own), encoding="utf-8")
    if not (out / MANIFEST).exists():  # otherwise an earlier attempt was killed after the training

        def tell(progress: Progress) -> None:
            left = "" if progress.left_s is None else f", about {max(1, round(progress.left_s))} s left"
            request.watch(progress.done, progress.total, f"training{left}")

        options = TrainingOptions(data=request.settings.data_folder)
        train_in_child(name if own is None else str(recipe), out, tell, options)
    return Found(out, f"recipe {name}")


_METHODS: Mapping[JobKind, Callable[[Request], Found]] = {
    JobKind.UPLOAD: _from_upload,
    JobKind.FOLDER: _from_folder,
    JobKind.PGDL: _from_pgdl,
    JobKind.RECIPE: _from_recipe,
}
