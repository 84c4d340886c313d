"""Which stored pictures a page may show: found by digests of what the reader is told. Called by pages and workers."""

from collections.abc import Iterable, Mapping

from markupsafe import Markup
from sqlalchemy.orm import Session

from server.charts.result_pictures import VALUES, Picture, pictures
from server.charts.theme import VERSION
from submissions.results.stored_pictures import picture_digest, stored_pictures
from submissions.results.submission_result import Result, ZooResult
from submissions.results.values_and_targets import ZooValues, zoo_values


def digest_of_picture(picture: Picture) -> str:
    return picture_digest(VERSION, picture.draw())


def digest_of_values(values: ZooValues) -> str:
    """Of values against targets, coloured by the first axis. The zoo's sha256 stands for its truth."""
    return picture_digest(VERSION, [VALUES, values.zoo_sha256, values.target, values.values])


def ready_pictures(session: Session, result: Result, zoos: Iterable[ZooResult]) -> Mapping[tuple[str, str], Markup]:
    """Return the pictures of these zoos that have been drawn, by the zoo's name and the picture's key.

    result: as far as the reader may see it.
    """
    digests: dict[tuple[str, str], str] = {}
    for zoo in zoos:
        digests |= {(zoo.name, picture.key): digest_of_picture(picture) for picture in pictures(zoo)}
        values = zoo_values(session, result.submission_id, zoo.name) if zoo.truth_public else None
        if values is not None:
            digests[zoo.name, VALUES] = digest_of_values(values)
    drawn = stored_pictures(session, set(digests.values()))
    return {place: Markup(drawn[digest]) for place, digest in digests.items() if digest in drawn}  # noqa: S704  (of `page_svg`)
