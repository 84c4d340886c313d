"""Downloads of a zoo for organizers: its pictures as specifications, and its public part."""

import contextlib
import tempfile
from pathlib import Path

from flask import Response, abort, jsonify, send_file

from model_zoo import ZooError
from model_zoo.publish import publish
from server.charts.zoo_charts import PICTURES
from server.config import services
from submissions.zoos.registry import ZooDetail, zoo_detail


def the_zoo(zoo_id: int) -> ZooDetail:
    """Return this version of a zoo; 404 if it does not exist."""
    with services().db.read() as session:
        detail = zoo_detail(session, zoo_id)
    return detail if detail is not None else abort(404)


def zoo_picture(zoo_id: int, picture: str) -> Response:
    """Return a picture of the zoo's check as a Vega-Lite specification; 404 if there is none."""
    report = the_zoo(zoo_id).report
    if report is None or picture not in PICTURES or not report.numbers.networks:
        abort(404)
    _, draw = PICTURES[picture]
    return jsonify(draw(report))


def public_part(zoo_id: int) -> Response:
    """Send the part of the zoo that participants may see; it is packed to disk first."""
    record = the_zoo(zoo_id).zoo
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=services().settings.home, prefix=".publish-"))
        try:
            zoo = services().zoos.open(record.manifest_sha256)
            with services().zoos.fetched(zoo):
                packed = publish(zoo, Path(folder) / "zoo.zip")
        except ZooError as error:
            abort(503, description=str(error))
        response = send_file(packed, download_name=f"{record.name}-{record.version}-public.zip", as_attachment=True)
        response.call_on_close(stack.pop_all().close)
    return response
