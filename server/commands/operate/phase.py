"""`gengap phase`: opens a phase over checked zoos, or attaches further zoos to an existing one."""

import re
from datetime import UTC, datetime

import click

from server.commands.common import settings_or_exit
from server.commands.errors import InputError
from server.commands.limit_options import limit_options, limits_among
from server.commands.site_database import ready_database
from submissions.competitions.competitions import CompetitionError, find_competition, find_phase
from submissions.competitions.exposure import UnconfirmedError, require_confirmation
from submissions.competitions.phase_zoos import attach_zoo
from submissions.competitions.phases import NewCompetition, PhaseError, PhasePlan, open_phase
from submissions.competitions.shared_zoos import exposed_by_use
from submissions.storage.database import Database
from submissions.storage.site_records import PhaseRecord, ZooRecord, utc_now
from submissions.zoos.registry import find_zoo

_ADDRESS = re.compile(r"([^/]+)/([^/]+)")
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
_SETTINGS = PhasePlan.__dataclass_fields__
_FLAGS = {"opens_at": "opens", "closes_at": "until"}  # of options that are not called as their setting


@click.group()
def command() -> None:
    """Open phases over zoos."""


@command.command(name="open")
@click.argument("address", metavar="COMPETITION/PHASE")
@click.option(
    "--zoo",
    "zoos",
    multiple=True,
    required=True,
    metavar="NAME[@VERSION]",
    help="A zoo of the phase; may be repeated. Without a version: the newest one that is ready.",
)
@click.option("--title", help="Title of the phase (default: its name).")
@click.option("--competition-title", help="Title of a new competition (default: its name).")
@click.option("--opens", "opens_at", type=click.DateTime(_MOMENTS), help="Start, UTC (default: now).")
@click.option("--until", "closes_at", type=click.DateTime(_MOMENTS), help="End, UTC (default: no end).")
@click.option("--target", help="The target that measures predict (default: gap); every zoo must have it.")
@limit_options(any_positive=False)
@click.option("--daily-quota", type=int, help="Submissions per person in 24 hours (default: 20).")
@click.option("--shows-logs", is_flag=True, default=None, help="Authors see how their measures fail on hidden zoos.")
@click.option("--score-step", type=float, help="Steps of scores that depend on a secret truth (default: 1 point).")
@click.option("--confirm", is_flag=True, help="Confirm what the phase then shows of zoos with secret truth.")
@click.option("--hidden", is_flag=True, default=None, help="Only organizers see the phase.")
def open_command(
    address: str,
    zoos: tuple[str, ...],
    competition_title: str | None,
    confirm: bool,
    **options: str | float | bool | datetime | None,
) -> None:
    """Open the phase COMPETITION/PHASE over zoos. A competition that does not exist yet is created.

    If the phase exists already, the zoos are attached to it and no other option may be given.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise InputError(f"Name a competition and a phase, as in spring/final, not {address!r}.")
    settings = settings_or_exit()
    db = ready_database(settings)
    try:
        zoo_ids = [_zoo_id(db, zoo) for zoo in zoos]
        with db.read() as session:
            phase = find_phase(session, found[1], found[2])
        if phase is None:
            _open(db, found[1], found[2], zoo_ids, competition_title, options, confirmed=confirm)
        else:
            given = [name for name, value in options.items() if value is not None]
            _attach(db, phase, zoo_ids, given, confirmed=confirm)
    except PhaseError as error:
        raise InputError("\n".join(f"{name}: {sentence}" for name, sentence in error.messages.items())) from None
    except CompetitionError as error:
        raise InputError(str(error)) from None
    except UnconfirmedError as error:
        raise InputError(
            f"Nothing was changed. {' '.join(error.exposed)} Repeat the command with --confirm if that is intended."
        ) from None
    finally:
        db.close()
    click.echo(f"/competitions/{found[1]}/{found[2]}/leaderboard")


def _open(
    db: Database,
    competition_slug: str,
    phase_slug: str,
    zoo_ids: list[int],
    competition_title: str | None,
    options: dict[str, str | float | bool | datetime | None],
    *,
    confirmed: bool,
) -> None:
    chosen = {name: value for name, value in options.items() if name in _SETTINGS and value is not None}
    moments = {name: value.replace(tzinfo=UTC) for name, value in chosen.items() if isinstance(value, datetime)}
    plan = PhasePlan(title=phase_slug, opens_at=utc_now()).changed(chosen | moments | limits_among(options))
    with db.read() as session:
        is_new = find_competition(session, competition_slug) is None
    if not is_new and competition_title is not None:
        raise InputError(f"The competition {competition_slug} exists already; omit --competition-title.")
    open_phase(
        db,
        competition_slug=competition_slug,
        phase_slug=phase_slug,
        plan=plan,
        zoo_ids=zoo_ids,
        user_id=None,
        new_competition=NewCompetition(competition_title or competition_slug) if is_new else None,
        confirmed=confirmed,
    )


def _attach(db: Database, phase: PhaseRecord, zoo_ids: list[int], options: list[str], *, confirmed: bool) -> None:
    if options:
        given = _FLAGS.get(options[0], options[0].replace("_", "-"))
        raise InputError(f"The phase {phase.slug} exists already; omit --{given}, or change it on the phase's page.")
    with db.read() as session:  # all of them before the first is attached
        zoos = [session.get_one(ZooRecord, zoo_id) for zoo_id in zoo_ids]
        exposed = [sentence for zoo in zoos for sentence in exposed_by_use(session, zoo, vars(phase), phase.id)]
    require_confirmation(exposed, confirmed=confirmed)
    for zoo_id in zoo_ids:
        attach_zoo(db, phase.id, zoo_id, user_id=None, confirmed=confirmed)


def _zoo_id(db: Database, named: str) -> int:
    with db.read() as session:
        zoo = find_zoo(session, named)
    if zoo is None:
        raise InputError(f"There is no zoo {named} on this server; add it first: gengap zoo add")
    return zoo.id
