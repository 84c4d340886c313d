"""All settings of Gengap, as one typed object that is read from `GENGAP_*` environment variables."""

import errno
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_zoo.store import ZooStoreError
from model_zoo.store.schemes import scheme_of
from submissions.whole_files import create_whole

SmtpSecurity = Literal["starttls", "tls", "none"]
_RATE = r"\d{1,6} ?/ ?(second|minute|hour|day)"
Rate = Annotated[str, Field(pattern=rf"^{_RATE}( ?; ?{_RATE})*$")]


def _data_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class Settings(BaseSettings):
    """Paths, backends and limits of an installation. The limits of a phase are stored with the phase."""

    model_config = SettingsConfigDict(env_prefix="GENGAP_", extra="forbid", frozen=True)

    home: Path = Field(default_factory=lambda: _data_home() / "gengap", description="Database, store and keys")
    cache: Path = Field(default_factory=lambda: _cache_home() / "gengap", description="Trained demo zoos")
    store_url: str = Field(
        "", description="Where zoos are stored: a folder or a store's URL; empty: in the home folder"
    )
    store_endpoint: str = Field("", description="Address of the store's service, such as S3; empty: the provider's own")
    zoo_cache: Path = Field(
        default_factory=lambda settings: settings["cache"] / "zoos",
        description="Cache folder for the zoo files that a machine works with; needs no backup, but is private",
    )
    zoo_cache_bytes: int = Field(20 * 2**30, gt=0, description="Size limit of the zoo cache in bytes")
    data_folder: Path = Field(
        default_factory=lambda settings: settings["cache"] / "data",
        description="Folder with the files of datasets that are not bundled, as their distributors offer them",
    )
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the home folder")
    broker_url: str = Field("filesystem://", description="filesystem:// (in the home folder) or redis://…")
    sandbox: str = Field("bubblewrap", description="Backend that runs participants' code")
    sandbox_minimum: tuple[str, ...] = Field(
        ("namespaces", "no_network", "read_only_files", "no_capabilities", "seccomp"),
        description="Layers of the sandbox without which a worker takes no work (a JSON list)",
    )
    extra_modules: tuple[str, ...] = Field(
        (), description="Modules that a measure may import here besides the usual ones (a JSON list)"
    )
    docker_image: str = Field("gengap-sandbox", description="docker: image that measures run in")
    docker_runtime: str = Field("", description="docker: runtime, for example runsc; empty: the engine's default")
    docker_socket: str = Field("", description="docker: the engine's address; empty: from Docker's own variables")
    host: str = Field("127.0.0.1", description="Address the web server listens on")
    port: int = Field(8000, ge=0, le=65535, description="Port the web server listens on")
    web_threads: int = Field(8, ge=1, description="Threads of the web process")
    web_connections: int = Field(
        4000, ge=16, description="Most connections of the web server; above it, the one that is slowest is closed"
    )
    web_connections_per_address: int = Field(
        500, ge=0, description="The same per address; 0: any number, as behind proxies, whose address all have"
    )
    worker_slots: int = Field(
        default_factory=lambda: max(1, os.cpu_count() or 1), ge=1, description="Networks evaluated at a time"
    )
    lease_s: float = Field(30.0, gt=0, description="Seconds a claimed run stays claimed without a heartbeat")
    look_s: float = Field(2.0, gt=0, description="Seconds between two looks for work that no message announced")
    sweep_s: float = Field(5.0, gt=0, description="Seconds between two sweeps for expired leases, and two heartbeats")
    proxies: int = Field(
        0,
        ge=0,
        le=9,
        description="Number of trusted reverse proxies in front of the web server (for X-Forwarded-* headers)",
    )
    https_only: bool = Field(False, description="Session cookies only over HTTPS (set behind a TLS proxy)")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/\s]+(/\S*)?)?$",
        description="Address at which people reach the site, for links in mails, kits, citations and badges; other "
        "hosts are refused; empty: in mails and kits `http://` with host and port, elsewhere the request's host",
    )
    registration_open: bool = Field(True, description="Whether visitors may register")
    rate_reading: Rate = Field("1200/minute", description="Requests that change nothing, per account or address")
    rate_polling: Rate = Field("6000/minute", description="Polls of a submission's page, per account or address")
    rate_changing: Rate = Field("120/minute", description="Requests that change something, per account or address")
    rate_submitting: Rate = Field("30/minute", description="Uploads of measures, per account")
    rate_log_in: Rate = Field("60/minute; 1000/hour", description="Login attempts, per address")
    rate_guessing: Rate = Field(
        "10/minute; 30/hour", description="Wrong passwords for one account, per network (/24 or /48) or known browser"
    )
    rate_guessing_anywhere: Rate = Field(
        "100/day", description="Wrong passwords for one account from all networks, known browsers not counted"
    )
    rate_registering: Rate = Field("60/minute; 500/hour", description="Tries to register, per address")
    rate_mail: Rate = Field("20/minute; 200/hour", description="Requests that send mail, per address")
    smtp_host: str = Field("", description="Mail server; empty: mails are printed to the worker's log")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port")
    smtp_security: SmtpSecurity = Field(
        "starttls", description="starttls, tls (from the first byte, usually port 465) or none"
    )
    smtp_user: str = Field("", description="Name to log in with at the mail server; empty: without")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password to log in with")
    mail_from: str = Field("Gengap <gengap@localhost>", description="Sender of mails")
    verified_mail_needed: bool = Field(
        default_factory=lambda settings: bool(settings["smtp_host"]),
        description="Whether only accounts with a verified email address may submit",
    )
    keep_notifications_days: int = Field(365, ge=0, description="Days that notifications are kept; 0: for ever")
    keep_old_runs_days: int = Field(
        90, ge=0, description="Days that runs and failures of attempts are kept after a re-run has ended; 0: for ever"
    )
    keep_old_values_days: int = Field(
        0, ge=0, description="Days that the values of such attempts are kept; 0: for ever"
    )
    keep_jobs_days: int = Field(90, ge=0, description="Days that ended jobs on zoos are listed; 0: for ever")
    keep_unused_bundles_days: int = Field(
        7, ge=0, description="Days that uploads are kept that no submission uses; 0: for ever"
    )
    upload_bytes: int = Field(10 * 2**20, gt=0, description="Largest upload")
    zoo_upload_bytes: int = Field(20 * 2**30, gt=0, description="Largest zoo archive that organizers may upload")
    zoo_sources: tuple[str, ...] = Field(
        (),
        description="Folders and s3:// addresses below which organizers may name zoos for import (a JSON list)",
    )
    unpacked_bytes: int = Field(50 * 2**20, gt=0, description="Largest sum of a zip's unpacked files")
    unpacked_files: int = Field(500, gt=0, description="Most files in a zip")

    @field_validator("home", "cache", "zoo_cache", "data_folder", mode="after")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("store_url", mode="after")
    @classmethod
    def _of_a_known_scheme(cls, url: str) -> str:
        try:
            scheme_of(url)
        except ZooStoreError as error:
            raise ValueError(str(error)) from None
        return url

    @property
    def effective_database_url(self) -> str:
        """The SQLAlchemy URL: the setting, or SQLite in the home folder."""
        return self.database_url or f"sqlite:///{self.home / 'gengap.sqlite'}"

    @property
    def effective_public_url(self) -> str:
        """The site's public address without a trailing slash."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def store_folder(self) -> Path:
        """The folder of the uploads (see `submissions.intake.bundle_store`)."""
        return self.home / "store"

    @property
    def effective_store_url(self) -> str:
        """The address of the zoo store: the setting, or a folder in the home folder."""
        return self.store_url or str(self.store_folder / "zoos")

    def make_home(self) -> None:
        """Create the home folder, readable by its owner alone."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)

    def secret_key(self) -> str:
        """Return the key that signs sessions; it is created once and stored in the home folder with mode 0600."""
        self.make_home()
        path = self.home / "secret_key"
        try:
            key = path.read_text()
        except FileNotFoundError:
            key = create_whole(path, secrets.token_hex(32).encode()).decode()
        if not key.strip():
            raise OSError(
                errno.EINVAL, "is empty; restore it from a backup, or remove it to end all sessions", str(path)
            )
        return key
