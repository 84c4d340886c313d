"""Submitting in a real browser: the editor with its instant check, files dropped on the form, and no JavaScript."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, Route, expect
from sqlalchemy import select

from server.config import EXTENSION
from submissions.storage.records import SubmissionRecord
from tests.browser.conftest import ServedSite, Watch
from tests.factories import zip_of
from tests.records import PASSWORD
from tests.server.site import GOOD_MEASURE

FORM = "/competitions/demo/main/submit"
DROP = """([text, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name));
    const form = document.querySelector("form[data-check]");
    for (const kind of ["dragenter", "dragover", "drop"]) {
        form.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
    }
}"""


@pytest.fixture
def context(chromium: Browser, served_site: ServedSite) -> Iterator[BrowserContext]:
    """A browser that is not to complain, nor to ask any other host."""
    served_site.site.phase()
    made = chromium.new_context()
    watch = Watch(served_site.url)
    watch.follow(made)
    yield made
    made.close()
    refused = "status of 422"  # the answer to a form with a fault in it
    assert (watch.external, [text for text in watch.complaints if refused not in text]) == ([], [])


def form_of(context: BrowserContext, served_site: ServedSite) -> Page:
    """The submit form, with ann logged in."""
    page = context.new_page()
    page.goto(f"{served_site.url}/login")
    page.get_by_label("Name or email").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{served_site.url}/")
    page.goto(served_site.url + FORM)
    return page


def editor(page: Page) -> Locator:
    """The editor, which takes the place of the form's text area once it is loaded."""
    return page.get_by_role("textbox", name=re.compile(r"^Code\. To leave"))


def measure(name: str, content: bytes = GOOD_MEASURE) -> FilePayload:
    return {"name": name, "mimeType": "text/x-python", "buffer": content}


def submitted(page: Page, served_site: ServedSite) -> tuple[str, bytes]:
    """Send the form; the file name and the bytes that arrived."""
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/submissions/\d+$"))
    with served_site.site.db.read() as session:
        record = session.scalars(select(SubmissionRecord).order_by(SubmissionRecord.id.desc())).first()
    assert record is not None
    return record.filename, served_site.site.app.extensions[EXTENSION].store.get(record.bundle_sha256)


def test_what_is_typed_is_checked_at_once_mended_and_sent(context: BrowserContext, served_site: ServedSite) -> None:
    page = form_of(context, served_site)
    page.get_by_label("Name of the submission").fill("Typed")
    editor(page).click()
    page.keyboard.type("def complexity(model, dataset)\nreturn 1.0")
    check = page.locator("#check")
    expect(check).to_contain_text("complexity.py, line 1: expected ':'.")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    expect(page.locator(".cm-lintRange-error")).to_have_text("def complexity(model, dataset)")
    page.get_by_role("button", name="Submit").click()  # the same is told by the form, and nothing is lost
    expect(page.locator("p.error.big")).to_contain_text("Not sent yet: one thing needs correcting.")
    expect(editor(page)).to_contain_text("def complexity(model, dataset)")
    expect(page.get_by_label("Name of the submission")).to_have_value("Typed")
    editor(page).click()
    page.keyboard.press("Control+A")
    page.keyboard.type("def complexity(model, dataset):\nreturn 1.0")
    expect(check).to_contain_text("Ready to be sent.")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(0)
    assert submitted(page, served_site) == ("complexity.py", b"def complexity(model, dataset):\n    return 1.0\n")


def test_a_source_dropped_on_the_form_is_shown_checked_and_sent_as_it_is(
    context: BrowserContext, served_site: ServedSite
) -> None:
    page = form_of(context, served_site)
    content = GOOD_MEASURE.replace(b"\n", b"\r\n")
    page.evaluate(DROP, [content.decode(), "norms.py"])
    expect(editor(page)).to_contain_text("def complexity(model, dataset):")
    expect(page.locator("[data-chosen]")).to_contain_text("norms.py is sent unchanged.")
    expect(page.locator("#check")).to_contain_text("Ready to be sent.")
    expect(page.get_by_label("Name of the submission")).to_have_value("norms")
    assert submitted(page, served_site) == ("norms.py", content)


def test_a_file_that_is_changed_in_the_editor_is_sent_as_changed(
    context: BrowserContext, served_site: ServedSite
) -> None:
    page = form_of(context, served_site)
    page.get_by_label("File", exact=True).set_input_files(measure("norms.py", b"def complexity(model, dataset:\n"))
    expect(page.locator("#check")).to_contain_text("norms.py, line 1: '(' was never closed.")
    editor(page).click()
    page.keyboard.press("Control+A")
    page.keyboard.type("complexity = max")
    expect(page.locator("[data-chosen]")).to_contain_text("norms.py, changed here: the text below is sent.")
    expect(page.locator("#check")).to_contain_text("Ready to be sent.")
    assert submitted(page, served_site) == ("norms.py", b"complexity = max\n")


def test_an_archive_stands_in_the_editors_place_until_it_is_removed(
    context: BrowserContext, served_site: ServedSite
) -> None:
    page = form_of(context, served_site)
    bad = zip_of({"complexity.py": GOOD_MEASURE, "helper.py": b"(\n"})
    page.get_by_label("File", exact=True).set_input_files(measure("mine.zip", bad))
    expect(page.locator("#check")).to_contain_text("helper.py, line 1")
    expect(editor(page)).to_be_hidden()
    page.get_by_role("button", name="Remove the file").click()
    expect(editor(page)).to_be_visible()
    expect(page.locator("#check")).to_be_empty()
    good = zip_of({"complexity.py": GOOD_MEASURE})
    page.get_by_label("File", exact=True).set_input_files(measure("mine.zip", good))
    expect(page.locator("#check")).to_contain_text("Ready to be sent.")
    assert submitted(page, served_site) == ("mine.zip", good)


def test_the_example_is_a_start_and_a_draft_outlives_a_page(context: BrowserContext, served_site: ServedSite) -> None:
    page = form_of(context, served_site)
    page.get_by_role("button", name="Start with this").click()
    expect(page.locator("#check")).to_contain_text("Ready to be sent.")
    page.get_by_label("Name of the submission").fill("Kept")
    page.goto(served_site.url)
    page.goto(served_site.url + FORM)
    expect(page.get_by_label("Name of the submission")).to_have_value("Kept")
    expect(editor(page)).to_contain_text("Higher: a larger gap.")
    submitted(page, served_site)
    page.goto(served_site.url + FORM)
    expect(page.get_by_label("Name of the submission")).to_have_value("")


def test_the_form_works_before_its_editor_is_there(context: BrowserContext, served_site: ServedSite) -> None:
    waiting: list[Route] = []
    context.route("**/codemirror.min.js*", lambda route: waiting.append(route))
    page = form_of(context, served_site)
    area = page.locator("textarea#code")
    area.click()
    page.keyboard.type("def complexity(model, dataset):\n    return 1")
    expect(page.locator("#check")).to_contain_text("Ready to be sent.")
    expect(editor(page)).to_have_count(0)
    for route in waiting:
        route.continue_()
    expect(editor(page)).to_be_focused(timeout=30_000)
    page.keyboard.type(".0")
    expect(editor(page)).to_contain_text("return 1.0")


def test_the_editor_can_be_left_by_keyboard(context: BrowserContext, served_site: ServedSite) -> None:
    page = form_of(context, served_site)
    page.locator("label[for=code]").click()
    expect(editor(page)).to_be_focused()
    page.keyboard.type("x")
    page.keyboard.press("Tab")
    expect(editor(page)).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(editor(page)).not_to_be_focused()
    assert page.evaluate("document.activeElement.tagName") != "BODY"


def test_code_is_coloured_by_a_sheet_that_the_policy_allows(context: BrowserContext, served_site: ServedSite) -> None:
    page = form_of(context, served_site)
    page.get_by_role("button", name="Start with this").click()
    colours = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        word = page.locator(".cm-line span", has_text=re.compile("^def$"))
        colours[scheme] = word.evaluate("node => getComputedStyle(node).color")
        plain = editor(page).evaluate("node => getComputedStyle(node).color")
        assert colours[scheme] != plain
    assert colours["light"] != colours["dark"]
    assert page.locator("style").count() == 0


def test_a_drop_of_text_is_left_to_the_editor(context: BrowserContext, served_site: ServedSite) -> None:
    page = form_of(context, served_site)
    prevented = page.evaluate("""() => {
        const data = new DataTransfer();
        data.setData("text/plain", "words");
        const event = new DragEvent("dragover", { bubbles: true, cancelable: true, dataTransfer: data });
        document.querySelector("form[data-check]").dispatchEvent(event);
        return event.defaultPrevented;
    }""")
    assert prevented is False


def test_without_javascript_code_and_files_can_be_sent(chromium: Browser, served_site: ServedSite) -> None:
    served_site.site.phase()
    context = chromium.new_context(java_script_enabled=False)
    page = form_of(context, served_site)
    page.get_by_label("Name of the submission").fill("Plain")
    page.get_by_label("Code", exact=True).fill("def complexity(model, dataset:\n    return 1\n")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#file-error")).to_contain_text("complexity.py, line 1: '(' was never closed.")
    expect(page.get_by_label("Code", exact=True)).to_have_value("def complexity(model, dataset:\n    return 1\n")
    page.get_by_label("Code", exact=True).fill(GOOD_MEASURE.decode())
    assert submitted(page, served_site) == ("complexity.py", GOOD_MEASURE)
    page.goto(served_site.url + FORM)
    page.get_by_label("Name of the submission").fill("A file")
    other = GOOD_MEASURE + b"\n# another one\n"
    page.get_by_label("File", exact=True).set_input_files(measure("plain.py", other))
    assert submitted(page, served_site) == ("plain.py", other)
    context.close()
