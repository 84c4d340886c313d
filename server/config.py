"""The application's configuration: Flask's own settings and our services. Called by `server.app`.

Views get the services from `services()`; nothing else holds the database or the stores.
"""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from model_zoo.store import ZooStore
from submissions.intake.bundle import BundleLimits
from submissions.intake.bundle_store import BundleStore
from submissions.intake.upload_reader import UploadReader
from submissions.people.sessions import IDLE
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.zoos.zoo_store import make_zoo_store

FORM_OVERHEAD_BYTES = 64 * 1024  # multipart boundaries and the small fields around an upload
EXTENSION = "gengap"
DATABASE_PATIENCE_S = 5.0  # a request waits no longer for the database: it holds one of few threads


@dataclass(frozen=True)
class Services:
    """Everything outside Flask that a view may call."""

    settings: Settings
    db: Database
    store: BundleStore
    zoos: ZooStore
    uploads: UploadReader

    @property
    def bundle_limits(self) -> BundleLimits:
        """The limits of uploads."""
        return self.uploads.limits


def make_services(settings: Settings) -> Services:
    settings.make_home()
    return Services(
        settings=settings,
        db=Database(settings.effective_database_url, patience_s=DATABASE_PATIENCE_S),
        store=BundleStore(settings.store_folder),
        zoos=make_zoo_store(settings),
        uploads=UploadReader(BundleLimits.of(settings)),
    )


def services() -> Services:
    """Return the services of the application that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": settings.secret_key(),
        "SESSION_COOKIE_NAME": "gengap_session",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.https_only,
        "PERMANENT_SESSION_LIFETIME": IDLE,
        "SESSION_REFRESH_EACH_REQUEST": False,  # `server.auth.login` does it when the session is noted as seen
        "MAX_CONTENT_LENGTH": settings.upload_bytes + FORM_OVERHEAD_BYTES,
        "MAX_FORM_PARTS": 20,
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session: a form left open over lunch works
    }
