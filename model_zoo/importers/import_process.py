"""Runs an import in a child process, so that the caller does not load torch."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from model_zoo.child_process import child_process
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
    last: dict[str, Any] = {}
    doing = "starting"
    with child_process("model_zoo.importers", kind, request=request.model_dump_json().encode()) as (child, messages):
        for last in messages:
            if "done" in last:
                doing = last["text"]
                watch(last["done"], last["total"], doing)
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
