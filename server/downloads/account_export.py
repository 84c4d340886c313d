"""The export of the reader's own account."""

import tempfile

from flask import Response, send_file

from server.auth.login import the_account
from server.config import services
from submissions.people.account_export import write_export


def account_export() -> Response:
    """Return a zip of everything that is stored about the logged-in account."""
    account = the_account()
    file = tempfile.TemporaryFile()  # noqa: SIM115  (whoever sends it closes it)
    write_export(services().db, services().store, account.id, file)
    file.seek(0)
    name = f"gengap-{account.name}.zip"
    response = send_file(file, mimetype="application/zip", as_attachment=True, download_name=name)
    response.headers["Cache-Control"] = "private, no-store"
    return response
