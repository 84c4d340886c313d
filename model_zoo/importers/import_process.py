"""Runs an import in a child process, so that the caller does not load torch."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from model_zoo.importers.import_request import ImportReport, PgdlRequest, TorchRequest
from model_zoo.manifest import ZooError, faults

Kind = Literal["pgdl", "torch"]


def import_in_child(
    kind: Kind, arguments: Mapping[str, object], watch: Callable[[int, int, str], None]
) -> ImportReport:
    """Run an import in a child process.

    Parameters
    ----------
    kind : {"pgdl", "torch"}
    arguments : mapping
        Fields of PgdlRequest or TorchRequest.
    watch : callable
        Called with networks done, networks in total, and a text that says what is being done. If it raises, the child
        is terminated and no zoo appears.

    Returns
    -------
    ImportReport

    Raises
    ------
    ZooError
        If the import fails.
    """
    try:
        request = (PgdlRequest if kind == "pgdl" else TorchRequest).model_validate(dict(arguments))
    except ValidationError as error:
        raise ZooError(f"the request for an import: {faults(error)}") from None
    command = [sys.executable, "-P", "-m", "model_zoo.importers", kind]
    last: dict[str, Any] = {}
    doing = "starting"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended before it read the request; see below
                child.stdin.write(request.model_dump_json().encode())
                child.stdin.close()
            for line in child.stdout:
                last = json.loads(line)
                if "done" in last:
                    doing = last["text"]
                    watch(last["done"], last["total"], doing)
        except BaseException:
            child.terminate()
            raise
    if "report" in last:
        return ImportReport.model_validate(last["report"])
    if "error" in last:
        raise ZooError(str(last["error"]))
    if child.returncode < 0:
        raise ZooError(
            f"{request.out}: its import was ended by signal {-child.returncode} while it was {doing}; "
            "was there enough memory? If so, that network's files may be damaged"
        )
    raise ZooError(
        f"{request.out}: its import ended with {child.returncode} while it was {doing}; that network's files may be "
        "damaged in a way that cannot be detected. Its stderr says more"
    )
