"""The stored login: server address and token that `gengap login` writes for the commands that talk to a server.

One file in the config folder, mode 0600. The variables GENGAP_URL and GENGAP_TOKEN take precedence, for scripts.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from server.commands.errors import InputError

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE, TOKEN_VARIABLE = "GENGAP_URL", "GENGAP_TOKEN"


@dataclass(frozen=True)
class Login:
    """A server, and the token to use there; None for a visitor."""

    url: str
    token: str | None = None


def login_file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "gengap" / "login.json"


def stored_login() -> Login | None:
    """Return what the last `gengap login` stored. Raises InputError if it cannot be read."""
    path = login_file()
    try:
        kept = json.loads(path.read_text())
        return Login(url=str(kept["url"]), token=str(kept["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}). Log in again: gengap login") from error


def keep_login(login: Login) -> Path:
    """Store this login for later commands, readable by its owner alone. Returns the path."""
    path = login_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(login), file)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    return path


def forget_login() -> None:
    login_file().unlink(missing_ok=True)


def current_login() -> Login:
    """Return the login to use: from the environment, else the stored one, else a visitor at this machine's server."""
    stored = stored_login()
    url, token = os.environ.get(URL_VARIABLE), os.environ.get(TOKEN_VARIABLE)
    if url is None and token is None:
        return stored or Login(DEFAULT_URL)
    if url is not None and token is None and stored is not None and stored.url == url.rstrip("/"):
        token = stored.token
    return Login((url or (stored.url if stored else DEFAULT_URL)).rstrip("/"), token)
