"""How often somebody may ask: per account or address, tight where passwords are tried, told with when to come back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from server.app import create_app
from server.config import EXTENSION
from server.http.rates import RATES, UNCOUNTED, Rate
from submissions.people.tokens import Scope
from submissions.settings import Settings
from tests.server.api.clients import script
from tests.server.site import Browser, Site
from tests.services import redis_process, redis_server

MakeSite = Callable[..., Site]
LOG_IN = {"user": "ann", "password": "wrong", "name": "a", "scopes": ["read"]}


def test_whoever_asks_too_often_is_told_when_to_come_back(make_site: MakeSite) -> None:
    visitor = script(make_site(rate_reading="3/hour"))
    assert [visitor.get("/competitions").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = visitor.get("/competitions")
    assert refused.content_type == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600


def test_a_person_at_a_page_is_told_on_a_page(make_site: MakeSite) -> None:
    browser = make_site(rate_reading="1/hour").browser()
    browser.get("/")
    refused = browser.get("/")
    assert (refused.status_code, refused.content_type) == (429, "text/html; charset=utf-8")
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    assert "Wait a moment" in refused.text


def test_pages_and_the_api_count_together_and_each_account_for_itself(make_site: MakeSite) -> None:
    site = make_site(rate_reading="2/hour")
    ann, bob, visitor = script(site, "ann"), script(site, "bob"), script(site)
    assert ann.get("/competitions").status_code == 200
    assert ann.get("/tokens").status_code == 200
    assert ann.get("/competitions").status_code == 429
    assert bob.get("/competitions").status_code == 200
    assert visitor.get("http://localhost/").status_code == 200
    assert visitor.get("/competitions").status_code == 200
    assert visitor.get("http://localhost/").status_code == 429


def test_changes_are_counted_apart_from_reading(make_site: MakeSite) -> None:
    ann = script(make_site(rate_changing="1/hour"), "ann")
    assert ann.post("/tokens", {"name": "a", "scopes": ["read"]}).status_code == 201
    assert ann.post("/tokens", {"name": "a", "scopes": ["read"]}).status_code == 429
    assert ann.get("/tokens").status_code == 200


def test_passwords_are_tried_a_few_times_from_an_address_on_pages_and_in_the_api_together(make_site: MakeSite) -> None:
    site = make_site(rate_log_in="3/hour")
    ann, browser = script(site, "ann", {Scope.READ}), site.browser()
    assert ann.post("/log-in", LOG_IN).status_code == 401
    assert script(site).post("/log-in", LOG_IN).status_code == 401
    assert browser.post("/login", {"name": "ann", "password": "wrong"}, form="/login").status_code == 422
    assert browser.post("/login", {"name": "ann", "password": "wrong"}, form="/login").status_code == 429
    assert ann.post("/log-in", LOG_IN).status_code == 429


def test_behind_a_proxy_each_visitor_counts_for_himself(make_site: MakeSite) -> None:
    site = make_site(rate_reading="1/hour", proxies=1)
    first, second = {"X_Forwarded_For": "6.6.6.6, 192.0.2.1"}, {"X_Forwarded_For": "6.6.6.6, 192.0.2.2"}
    visitor = script(site)
    answers = [visitor.get("/competitions", **headers).status_code for headers in (first, second, first)]
    assert answers == [200, 200, 429]


def test_without_a_proxy_nobody_is_believed_to_be_somebody_else(make_site: MakeSite) -> None:
    visitor = script(make_site(rate_reading="1/hour"))
    answers = [visitor.get("/competitions", X_Forwarded_For=f"192.0.2.{number}").status_code for number in (1, 2)]
    assert answers == [200, 429]


def test_counts_are_shared_through_redis_and_go_on_without_it(make_site: MakeSite, redis_url: str) -> None:
    site = make_site(rate_reading="2/hour", broker_url=redis_url)
    beside = create_app(site.settings)  # another process of the same installation
    answers = [app.test_client().get("/api/v1/competitions").status_code for app in (site.app, beside) * 2]
    beside.extensions[EXTENSION].db.close()
    assert answers == [200, 200, 429, 429]
    other_installation = script(make_site(rate_reading="2/hour", broker_url=redis_url))
    assert other_installation.get("/competitions").status_code == 200
    lonely = script(make_site(rate_reading="2/hour", broker_url="redis://127.0.0.1:1/0"))
    assert [lonely.get("/competitions").status_code for _ in range(3)] == [200, 200, 429]


def test_requests_that_meet_a_frozen_redis_at_the_same_time_all_get_their_page(make_site: MakeSite) -> None:
    with redis_server() as url:
        site = make_site(broker_url=url)
        browsers = [site.browser() for _ in range(8)]
        assert [browser.get("/").status_code for browser in browsers] == [200] * 8
        together = threading.Barrier(8)

        def get(browser: Browser) -> int:
            together.wait()
            return int(browser.get("/").status_code)

        process = redis_process(url)
        process.suspend()
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(get, browsers))
        process.resume()
    assert found == [200] * 8


def test_pages_answer_while_redis_is_frozen_and_go_on_counting(make_site: MakeSite) -> None:
    with redis_server() as url:
        visitor = script(make_site(rate_reading="3/hour", broker_url=url))
        assert visitor.get("/competitions").status_code == 200
        process = redis_process(url)
        process.suspend()
        try:
            assert [visitor.get("/competitions").status_code for _ in range(4)] == [200, 200, 200, 429]
        finally:
            process.resume()


def test_the_style_sheet_is_never_refused(make_site: MakeSite) -> None:
    browser = make_site(rate_reading="1/hour").browser()
    assert {browser.get("/static/app.css").status_code for _ in range(3)} == {200}


def test_every_route_in_the_table_is_there(site: Site) -> None:
    assert (RATES.keys() | UNCOUNTED) <= site.app.view_functions.keys()


def test_every_rate_has_its_setting() -> None:
    assert {rate.value for rate in Rate} == {name for name in Settings.model_fields if name.startswith("rate_")}
    with pytest.raises(ValidationError):
        Settings(rate_log_in="often")


def test_polls_of_a_live_page_have_a_rate_of_their_own(make_site: MakeSite) -> None:
    site = make_site(rate_polling="2/hour", rate_reading="3/hour")
    browser, path = site.browser(), f"/submissions/{site.submission(site.phase(), done=3)}"
    etag = browser.get(f"{path}/status").headers["ETag"]
    assert browser.get(f"{path}/status", If_None_Match=etag).status_code in (200, 304)
    refused = browser.get(f"{path}/status", If_None_Match=etag)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    assert browser.get(path).status_code == 200
