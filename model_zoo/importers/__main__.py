"""The command `python -m model_zoo.importers pgdl|torch`, which runs an import for `import_process`.

The request is JSON on stdin. Each line on stdout is JSON: `{"done": 3, "total": 96, "text": "…"}` for progress, and
finally `{"report": {…}}`, or `{"error": "…"}` with exit status 1. A damaged HDF5 file can send the library that reads
it into an endless loop, so the process ends itself, with a traceback on stderr, when nothing happens for ten minutes.
"""

import faulthandler
import json
import signal
import sys

import click
from pydantic import ValidationError

from model_zoo.importers.import_request import PgdlRequest, TorchRequest
from model_zoo.importers.pgdl import import_pgdl
from model_zoo.importers.weight_folder import import_torch
from model_zoo.manifest import ZooError, faults

_SILENCE_S = 600


@click.command()
@click.argument("kind", type=click.Choice(["pgdl", "torch"]))
def main(kind: str) -> None:
    """Import what the request on stdin asks for."""
    content = sys.stdin.buffer.read()
    at_first = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is half written is removed
    try:
        if kind == "pgdl":
            report = import_pgdl(PgdlRequest.model_validate_json(content), _watch)
        else:
            report = import_torch(TorchRequest.model_validate_json(content), _watch)
    except ValidationError as error:
        click.echo(json.dumps({"error": f"the request for an import: {faults(error)}"}))
        sys.exit(1)
    except ZooError as error:
        click.echo(json.dumps({"error": str(error)}))
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, at_first)
        faulthandler.cancel_dump_traceback_later()
    click.echo(json.dumps({"report": report.model_dump(mode="json")}))


def _watch(done: int, total: int, text: str) -> None:
    faulthandler.dump_traceback_later(_SILENCE_S, exit=True)
    click.echo(json.dumps({"done": done, "total": total, "text": text}))


if __name__ == "__main__":
    main()
