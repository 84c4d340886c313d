"""The rate of every route, held to one table, and whose requests are counted together."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from flask_limiter import Limiter
from werkzeug.exceptions import HTTPException

from server.http.rates import Rate
from tests.server.api.clients import Script, script
from tests.server.site import Site

# What each route counts as; None: it is not counted.
TABLE: dict[str, Rate | None] = {
    "POST account.ask_to_verify": Rate.MAIL,
    "POST account.change_email": Rate.LOG_IN,
    "POST account.change_name": Rate.CHANGING,
    "POST account.change_password": Rate.LOG_IN,
    "POST account.delete": Rate.LOG_IN,
    "GET account.delete_form": Rate.READING,
    "GET account.export": Rate.READING,
    "POST account.set_wants_mail": Rate.CHANGING,
    "GET account.show": Rate.READING,
    "POST accounts.log_in": Rate.LOG_IN,
    "GET accounts.log_in_form": Rate.READING,
    "POST accounts.log_out": Rate.CHANGING,
    "POST accounts.register_account": Rate.REGISTERING,
    "GET accounts.register_form": Rate.READING,
    "GET api.browse": Rate.READING,
    "GET api.openapi_json": Rate.READING,
    "POST api_account.ask_to_reset": Rate.MAIL,
    "POST api_account.ask_to_verify": Rate.MAIL,
    "PATCH api_account.change": Rate.CHANGING,
    "PUT api_account.change_email": Rate.LOG_IN,
    "PUT api_account.change_password": Rate.LOG_IN,
    "POST api_account.delete": Rate.LOG_IN,
    "DELETE api_account.end_session": Rate.CHANGING,
    "DELETE api_account.end_sessions": Rate.CHANGING,
    "GET api_account.export": Rate.READING,
    "GET api_account.list_sessions": Rate.READING,
    "POST api_account.register": Rate.REGISTERING,
    "POST api_account.reset": Rate.LOG_IN,
    "GET api_account.show": Rate.READING,
    "POST api_account.verify": Rate.LOG_IN,
    "GET api_boards.show": Rate.READING,
    "GET api_boards.show_badge": Rate.READING,
    "GET api_boards.show_citation": Rate.READING,
    "GET api_boards.show_history": Rate.READING,
    "GET api_competitions.download_kit": Rate.READING,
    "GET api_competitions.list_announcements": Rate.READING,
    "GET api_competitions.list_competitions": Rate.READING,
    "GET api_competitions.show": Rate.READING,
    "GET api_competitions.show_phase": Rate.READING,
    "GET api_measures.list_measures": Rate.READING,
    "GET api_measures.list_zoos": Rate.READING,
    "GET api_measures.show_agreement": Rate.READING,
    "GET api_measures.show_costs": Rate.READING,
    "GET api_measures.show_measure": Rate.READING,
    "GET api_measures.show_similar": Rate.READING,
    "GET api_measures.show_zoo": Rate.READING,
    "PUT api_moderation.disqualify_it": Rate.CHANGING,
    "PUT api_moderation.hide_it": Rate.CHANGING,
    "DELETE api_moderation.requalify_it": Rate.CHANGING,
    "POST api_moderation.rerun": Rate.CHANGING,
    "DELETE api_moderation.show_again": Rate.CHANGING,
    "GET api_notifications.list_notifications": Rate.READING,
    "POST api_notifications.read_all": Rate.CHANGING,
    "POST api_notifications.read_one": Rate.CHANGING,
    "PUT api_phases.attach": Rate.CHANGING,
    "PATCH api_phases.change": Rate.CHANGING,
    "PATCH api_phases.change_one": Rate.CHANGING,
    "DELETE api_phases.detach": Rate.CHANGING,
    "GET api_phases.list_phases": Rate.READING,
    "POST api_phases.make_announcement": Rate.CHANGING,
    "POST api_phases.open_another": Rate.CHANGING,
    "POST api_phases.open_competition": Rate.CHANGING,
    "POST api_phases.replace_by": Rate.CHANGING,
    "POST api_phases.unfreeze_board": Rate.CHANGING,
    "DELETE api_phases.withdraw_announcement": Rate.CHANGING,
    "GET api_results.compare": Rate.READING,
    "GET api_results.show": Rate.READING,
    "GET api_results.show_forecast": Rate.READING,
    "GET api_results.show_values": Rate.READING,
    "POST api_submissions.cancel_submission": Rate.CHANGING,
    "POST api_submissions.choose_submission": Rate.CHANGING,
    "GET api_submissions.list_own": Rate.READING,
    "GET api_submissions.show": Rate.READING,
    "GET api_submissions.source": Rate.READING,
    "POST api_submitting.check": Rate.CHANGING,
    "POST api_submitting.create": Rate.SUBMITTING,
    "GET api_submitting.show_quota": Rate.READING,
    "POST api_teams.accept_invitation": Rate.CHANGING,
    "POST api_teams.create": Rate.CHANGING,
    "DELETE api_teams.leave": Rate.CHANGING,
    "GET api_teams.list_teams": Rate.READING,
    "POST api_teams.renew_invitation": Rate.CHANGING,
    "GET api_teams.show": Rate.READING,
    "GET api_teams.show_invitation": Rate.READING,
    "GET api_tokens.list_tokens": Rate.READING,
    "POST api_tokens.log_in": Rate.LOG_IN,
    "POST api_tokens.make": Rate.CHANGING,
    "DELETE api_tokens.revoke": Rate.CHANGING,
    "DELETE api_tokens.revoke_current": Rate.CHANGING,
    "PUT api_uploads.append_piece": Rate.READING,
    "POST api_uploads.begin": Rate.CHANGING,
    "POST api_uploads.finish": Rate.CHANGING,
    "GET api_uploads.show": Rate.READING,
    "POST api_zoos.add_folder": Rate.CHANGING,
    "POST api_zoos.add_pgdl": Rate.CHANGING,
    "POST api_zoos.add_recipe": Rate.CHANGING,
    "POST api_zoos.check": Rate.CHANGING,
    "GET api_zoos.list_acts": Rate.READING,
    "GET api_zoos.list_jobs": Rate.READING,
    "GET api_zoos.list_workers": Rate.READING,
    "GET api_zoos.list_zoos": Rate.READING,
    "GET api_zoos.picture": Rate.READING,
    "GET api_zoos.public_part": Rate.READING,
    "GET api_zoos.show": Rate.READING,
    "GET api_zoos.show_job": Rate.READING,
    "GET board_exports.as_csv": Rate.READING,
    "GET board_exports.as_json": Rate.READING,
    "GET board_exports.badge_of": Rate.READING,
    "GET board_exports.chart": Rate.READING,
    "GET board_exports.citation": Rate.READING,
    "GET board_exports.courses": Rate.READING,
    "GET board_pictures.chart": Rate.READING,
    "GET board_pictures.show": Rate.READING,
    "GET code.download": Rate.READING,
    "GET code.show": Rate.READING,
    "GET compare.chart": Rate.READING,
    "GET compare.show": Rate.READING,
    "POST competition_form.add_announcement": Rate.CHANGING,
    "POST competition_form.change": Rate.CHANGING,
    "GET competition_form.show": Rate.READING,
    "POST competition_form.withdraw_announcement": Rate.CHANGING,
    "GET competitions.show": Rate.READING,
    "GET health.healthz": None,
    "GET help.image": Rate.READING,
    "GET help.index": Rate.READING,
    "GET help.page": Rate.READING,
    "GET home.home": Rate.READING,
    "GET kit.download": Rate.READING,
    "GET leaderboard.mine": Rate.READING,
    "GET leaderboard.show": Rate.READING,
    "GET links.ask_form": Rate.READING,
    "POST links.ask_to_reset": Rate.MAIL,
    "POST links.reset": Rate.LOG_IN,
    "GET links.reset_form": Rate.READING,
    "POST links.verify": Rate.LOG_IN,
    "GET links.verify_form": Rate.READING,
    "GET measures.chart": Rate.READING,
    "GET measures.code": Rate.READING,
    "GET measures.overview": Rate.READING,
    "GET measures.show": Rate.READING,
    "POST moderation.choose": Rate.CHANGING,
    "POST moderation.moderate": Rate.CHANGING,
    "GET my_submissions.compare": Rate.READING,
    "GET my_submissions.show": Rate.READING,
    "GET notices.overview": Rate.READING,
    "POST notices.read": Rate.CHANGING,
    "POST notices.read_all": Rate.CHANGING,
    "GET organizer.overview": Rate.READING,
    "POST phases.change": Rate.CHANGING,
    "GET phases.form": Rate.READING,
    "POST phases.open_new": Rate.CHANGING,
    "GET phases.overview": Rate.READING,
    "GET phases.show": Rate.READING,
    "POST phases.unfreeze_board": Rate.CHANGING,
    "GET public_zoos.agreement_chart": Rate.READING,
    "GET public_zoos.agreement_table": Rate.READING,
    "GET public_zoos.axes_chart": Rate.READING,
    "GET public_zoos.costs_chart": Rate.READING,
    "GET public_zoos.overview": Rate.READING,
    "GET public_zoos.show": Rate.READING,
    "GET results.as_json": Rate.READING,
    "GET results.as_table": Rate.READING,
    "GET results.drawing_data": Rate.READING,
    "GET results.drawing_spec": Rate.READING,
    "GET results.drawing_table": Rate.READING,
    "GET results.networks": Rate.READING,
    "POST sessions.end": Rate.CHANGING,
    "POST sessions.end_others": Rate.CHANGING,
    "GET sessions.overview": Rate.READING,
    "GET static.file": None,
    "POST submissions.cancel_submission": Rate.CHANGING,
    "GET submissions.show": Rate.READING,
    "GET submissions.status": Rate.POLLING,
    "POST submit.check": Rate.CHANGING,
    "GET submit.form": Rate.READING,
    "POST submit.upload": Rate.SUBMITTING,
    "POST teams.create": Rate.CHANGING,
    "GET teams.invitation": Rate.READING,
    "POST teams.join": Rate.CHANGING,
    "POST teams.leave": Rate.CHANGING,
    "GET teams.mine": Rate.READING,
    "POST teams.renew_invitation": Rate.CHANGING,
    "GET teams.show": Rate.READING,
    "POST tokens.create": Rate.CHANGING,
    "GET tokens.overview": Rate.READING,
    "POST tokens.revoke": Rate.CHANGING,
    "POST zoo_page.attach": Rate.CHANGING,
    "GET zoo_page.chart": Rate.READING,
    "POST zoo_page.check_again": Rate.CHANGING,
    "POST zoo_page.detach": Rate.CHANGING,
    "GET zoo_page.public_part": Rate.READING,
    "POST zoo_page.replace": Rate.CHANGING,
    "GET zoo_page.show": Rate.READING,
    "POST zoo_uploads.append_piece": Rate.READING,
    "POST zoo_uploads.begin": Rate.CHANGING,
    "POST zoo_uploads.finish": Rate.CHANGING,
    "POST zoos.add_folder": Rate.CHANGING,
    "POST zoos.add_pgdl": Rate.CHANGING,
    "POST zoos.add_recipe": Rate.CHANGING,
    "GET zoos.job": Rate.READING,
    "GET zoos.job_progress": Rate.READING,
    "GET zoos.overview": Rate.READING,
}
# Where a wrong password counts for the account as well.
GUESSED = {
    "POST accounts.log_in",
    "POST api_tokens.log_in",
    "POST account.change_password",
    "POST account.change_email",
    "POST account.delete",
    "PUT api_account.change_password",
    "PUT api_account.change_email",
    "POST api_account.delete",
}
BY_ADDRESS = {Rate.LOG_IN, Rate.REGISTERING, Rate.MAIL}  # another account gives nobody more of these
SECRETS = {"invite_key", "upload_id", "token"}  # URLs with them match only what looks like one


def test_every_route_has_the_rate_in_the_table_and_counts_for_the_account_or_the_address(
    make_site: Callable[..., Site],
) -> None:
    of_number = dict(enumerate(Rate, 900_000))
    site = make_site(**{rate.value: f"{number}/hour" for number, rate in of_number.items()})
    browser, ann = site.browser("ann"), script(site, "ann")
    cookie = browser.client.get_cookie("gengap_session")
    assert cookie is not None
    headers = {"Cookie": f"{cookie.key}={cookie.value}", "Authorization": f"Bearer {ann.token}"}
    (limiter,) = site.app.extensions["limiter"]
    assert isinstance(limiter, Limiter)
    urls = site.app.url_map.bind("localhost")
    rates: dict[str, Rate | None] = {}
    guessed = set()
    for rule in site.app.url_map.iter_rules():
        named = {name: "1" * 20 if name in SECRETS else 1 for name in rule.arguments}
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path = urls.build(rule.endpoint, named, method=method)
            with site.app.test_request_context(path, method=method, headers=headers) as context:
                assert context.request.endpoint == rule.endpoint
                with suppress(HTTPException):  # nothing is there under this name, which is found out after the count
                    site.app.preprocess_request()
                limit = limiter.current_limit
                if Rate.GUESSING in {of_number[one.limit.amount] for one in limiter.current_limits}:
                    guessed.add(f"{method} {rule.endpoint}")
            rate = None if limit is None else of_number[limit.limit.amount]
            rates[f"{method} {rule.endpoint}"] = rate
            if limit is not None:
                assert ("/address " in limit.key) == (rate in BY_ADDRESS), (rule.endpoint, limit.key)
    assert rates == TABLE
    assert guessed == GUESSED


@pytest.mark.parametrize("rate", [Rate.MAIL, Rate.LOG_IN])
def test_a_second_account_gives_an_address_no_more_mail_and_no_more_passwords(
    make_site: Callable[..., Site], rate: Rate
) -> None:
    site = make_site(**{rate.value: "1/hour"})
    ann, bob = script(site, "ann"), script(site, "bob")

    def ask(one: Script) -> int:
        if rate is Rate.MAIL:
            return one.post("/account/verification").status_code
        return one.put("/account/password", {"current": "wrong", "new": "another horse"}).status_code

    assert ask(ann) != 429
    assert ask(bob) == 429
