"""The page that shows a contract, in Chromium and Firefox: what people do on it.

How it looks is the matter of `tests/browser/test_docs_page.py`.
"""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from interop.fronts import FRONTS, serving
from sockwave import MsgpackParser
from sockwave.contract.describing import describe
from sockwave.contract.page import serving as page_serving
from tests.support.contract_page import CONTRACT, shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from interop.browsers import Browser, Page

pytestmark = [pytest.mark.interop, pytest.mark.browser]

HANDS: Final = """
window.errors = [];
window.addEventListener("error", (event) => errors.push(event.message));
window.addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
document.addEventListener(
  "securitypolicyviolation", (event) => errors.push(event.violatedDirective));

window.card = (name) => document.querySelector(`[data-event="${name}"]`);
window.open_ = async (name) => {
  card(name).open = true; // what is inside is made a moment later
  const isFilled = () => card(name).querySelector("form, .latest");
  while (!isFilled()) await new Promise((resolve) => setTimeout(resolve, 1));
};
window.field = (start, ...names) => names.reduce(
  (found, name) => found.querySelector(`[data-name="${name}"]`), start);
window.input = (start, ...names) => field(start, ...names).querySelector(
  ":scope > .field-body :is(input, select, textarea)");
window.type = (element, text) => {
  element.value = text;
  for (const name of ["input", "change"]) element.dispatchEvent(new Event(name, {bubbles: true}));
};
window.press = (start, text) => [...start.querySelectorAll("button")]
  .find((each) => each.textContent === text).click();
window.result = (name) => card(name).querySelector(".result").textContent;
window.wrong = (start) => [...start.querySelectorAll(".is-wrong")].map((each) => each.dataset.name);
window.log_ = () => [...document.querySelectorAll("#log .entry")].map((each) =>
  each.querySelector(".sign").textContent + " " + each.querySelector("strong").textContent);
window.section = (name) => document.querySelector(`section[data-namespace="${name}"]`);
window.state = (name) => section(name).querySelector(".state").textContent;
"""
"""What a person does, as functions of the page."""


@pytest.fixture(autouse=True)
def contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows the one that is written by hand."""
    monkeypatch.setattr(page_serving, "describe", lambda server: CONTRACT)


@asynccontextmanager
async def opened(browser: Browser, front: str = "native", **options: Any) -> AsyncIterator[Page]:
    """The page, when it is there; nothing of it may fail, or break its own policy."""
    io = shop(**options)
    async with serving(io, front) as url:
        page = await browser.open(f"{url}{io.path}/docs")
        await page.run(HANDS)
        await page.until("'ready' in document.documentElement.dataset")
        yield page
        assert await page.run("return errors") == []
        await page.close()


async def visible(page: Page) -> list[str]:
    """The events and types that can be seen."""
    return await page.run(  # type: ignore[no-any-return] # of names
        """return [...document.querySelectorAll(".event strong, .model h4")]
        .filter((each) => each.checkVisibility()).map((each) => each.textContent)"""
    )


async def fill_order(page: Page) -> None:
    """Write an order into the form that is valid, but for its way."""
    await page.run(
        """await open_("place");
        const order = field(card("place"), "order");
        type(input(order, "id"), "6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f");
        for (const [at, name, price] of [["0", "Tea", "2.50"], ["1", "Milk", "1.25"]]) {
          press(field(order, "items"), "Add an item");
          type(input(order, "items", at, "name"), name);
          type(input(order, "items", at, "price"), price);
        }"""
    )


async def emit(page: Page, name: str, outcome: str = "Acknowledged") -> str:
    """Press the button, and give what is said of it."""
    await page.run("press(card(args[0]), 'Emit')", name)
    await page.until(f"result({name!r}).startsWith({outcome!r})")
    return await page.run("return result(args[0])", name)  # type: ignore[no-any-return] # text


# --- reading --------------------------------------------------------------------------------------


async def test_contract_is_shown_as_text(browser: Browser) -> None:
    async with opened(browser) as page:
        assert await page.run("return document.title") == "Shop – events"
        assert await page.run("return card('place').querySelector('summary').innerText") == (
            "→\nplace(order: Order) ⇒ Placed"
        )
        assert "name: string, loud?: boolean" in await page.run("return card('rename').textContent")
        await page.run("await open_('fail')")
        await page.until("card('fail').textContent.includes('<img src=x')")
        assert await page.run("return window.hurt") is None


async def test_search_leaves_what_fits(browser: Browser) -> None:
    async with opened(browser) as page:
        everything = await visible(page)
        assert {"place", "placed", "drawn", "Order", "Tree"} <= set(everything)
        for text, found in (
            ("picture", ["upload"]),  # of the description
            ("board DRAW", ["draw", "drawn"]),  # of the namespace, and of the event
            ("decimal", ["Item", "Placed"]),
            ("nothing like it", []),
        ):
            await page.run("type(document.getElementById('search'), args[0])", text)
            assert await visible(page) == found
        assert await page.run("return document.getElementById('nothing').hidden") is False
        assert await page.run("return document.getElementById('found').textContent") == (
            "0 of 11 events"
        )
        await page.run("type(document.getElementById('search'), '')")
        assert await visible(page) == everything


async def test_link_opens_an_event(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("document.querySelector('.index .incoming a').click()")
        await page.until("card('place').open && card('place').querySelector('form')")
        await page.run("document.querySelector('.model-link').click()")
        await page.until("location.hash.includes('model')")


async def test_contract_that_the_server_finds_out_makes_forms(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_serving, "describe", describe)
    async with opened(browser) as page:
        await fill_order(page)
        await page.run("type(input(card('place'), 'order', 'way', 'at'), '2026-01-31T12:00:00Z')")
        assert '"total": "3.75"' in await emit(page, "place")


# --- connecting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("front", FRONTS)
async def test_page_connects_with_the_stock_client(browser: Browser, front: str) -> None:
    async with opened(browser, front) as page:
        await page.run("press(section('/'), 'Connect')")
        await page.until("state('/') === 'Connected'")
        await page.run("press(section('/'), 'Disconnect')")
        await page.until("state('/') === 'Not connected'")
        assert await page.run("return log_()") == ["· connected", "· disconnected"]


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/deep/in it"},
        {"serve_client": False},
        {"transports": ["websocket"]},
        {"transports": ["polling"]},
        {"parser": MsgpackParser()},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_page_connects_to_servers_with_other_options(
    browser: Browser, options: dict[str, Any]
) -> None:
    async with opened(browser, **options) as page:
        await page.run("await open_('rename')")
        await page.run("type(input(card('rename'), 'name'), 'Ada')")
        assert '"Ada"' in await emit(page, "rename")


async def test_auth_is_asked_for_by_its_schema(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("press(section('/staff'), 'Connect')")
        await page.until("state('/staff') === 'Refused'")
        said = await page.run("return section('/staff').querySelector('.field-error').textContent")
        assert said == 'Not connected: unauthorized {"retry":false}'
        await page.run("type(input(section('/staff'), 'auth', 'token'), 's3cret')")
        await page.run("press(section('/staff'), 'Connect')")
        await page.until("state('/staff') === 'Connected'")


async def test_parts_of_a_namespace_are_asked_for(browser: Browser) -> None:
    name = "/org/{org_id}/board"
    async with opened(browser) as page:
        await page.run("press(section(args[0]), 'Connect')", name)
        said = f"section({name!r}).querySelector('.field-error').textContent"
        await page.until(f"{said} === 'The name of the namespace needs org_id.'")
        await page.run("type(section(args[0]).querySelector('[name=org_id]'), '42')", name)
        await page.run(
            """await open_("draw");
            const points = field(card("draw"), "points");
            press(points, "Add an item");
            type(input(points, "0", "0"), "1.5");
            type(input(points, "0", "1"), "-2");"""
        )
        assert '"42"' in await emit(page, "draw")
        await page.until("card('drawn').querySelector('.badge').textContent === '1'")


# --- emitting -------------------------------------------------------------------------------------


async def test_event_of_a_form_is_acknowledged(browser: Browser) -> None:
    async with opened(browser) as page:
        await fill_order(page)
        await page.run(
            """const order = field(card("place"), "order");
            type(input(order, "way"), "1");
            type(input(order, "way", "street"), "Main Street 1");
            type(input(order, "way", "city"), "Ulm");
            const count = field(order, "items", "1", "count").querySelector("[type=checkbox]");
            count.click();
            type(input(order, "items", "1", "count"), "2");"""
        )
        said = await emit(page, "place")
        assert '"total": "5.00"' in said
        await page.until("log_().length === 4")
        entries = await page.run("return log_()")
        assert entries[:2] == ["· connected", "→ place"]
        assert set(entries[2:]) == {"✓ place", "← placed"}


async def test_incoming_event_is_shown(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('placed')")
        await page.until("card('placed').textContent.includes('Nothing has come yet')")
        await fill_order(page)
        await page.run("type(input(card('place'), 'order', 'way', 'at'), '2026-01-31T12:00:00Z')")
        await emit(page, "place")
        await page.until("card('placed').querySelector('.badge').textContent === '1'")
        shown = await page.run("return card('placed').querySelector('.latest pre').textContent")
        assert shown == '"6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f"'


@pytest.mark.parametrize("with_ack", [True, False])
async def test_validation_error_is_shown_at_the_field(browser: Browser, with_ack: bool) -> None:
    async with opened(browser) as page:
        await fill_order(page)
        await page.run(
            "type(input(card('place'), 'order', 'way', 'at'), '2026-01-31T12:00:00Z');"
            "type(input(card('place'), 'order', 'items', '1', 'name'), '');"
        )
        if with_ack:
            assert "$.items[1].name" in await emit(page, "place", "Refused")
        else:
            await page.run("card('place').querySelector('.with-ack input').click()")
            await emit(page, "place", "Sent")
        await page.until("wrong(card('place')).length > 0")
        assert await page.run("return wrong(card('place'))") == ["name"]
        assert await page.run(
            "return field(card('place'), 'order', 'items', '1', 'name').className"
        ) == ("field is-wrong")
        error = await page.run(
            "return field(card('place'), 'order', 'items', '1', 'name')"
            ".querySelector('.field-error').textContent"
        )
        assert error == "Expected `str` of length >= 1"
        await page.run("type(input(card('place'), 'order', 'items', '1', 'name'), 'Milk')")
        await page.run("card('place').querySelector('.with-ack input').checked = true")
        await emit(page, "place")
        assert await page.run("return wrong(card('place'))") == []


async def test_what_cannot_be_sent_is_said_at_once(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('upload')")
        await page.run("press(card('upload'), 'Emit')")
        await page.until("wrong(card('upload')).length === 1")
        assert await page.run("return log_()") == []


async def test_number_that_javascript_would_round_is_not_sent(browser: Browser) -> None:
    async with opened(browser) as page:
        await fill_order(page)
        await page.run(
            """const count = field(card("place"), "order", "items", "0", "count");
            count.querySelector("[type=checkbox]").click();
            type(input(card("place"), "order", "items", "0", "count"), "9007199254740993");
            press(card("place"), "Emit");"""
        )
        await page.until("wrong(card('place')).length === 1")
        assert await page.run("return wrong(card('place'))") == ["count"]


async def test_parts_that_are_removed_are_not_sent(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run(
            """await open_("plant");
            press(card("plant"), "JSON");
            await new Promise((resolve) => setTimeout(resolve));
            const tree = { name: "oak", parts: [{ name: "a" }, { name: "b" }, { name: "c" }] };
            type(card("plant").querySelector(".json"), JSON.stringify([tree]));
            press(card("plant"), "Form");"""
        )
        await page.until("input(card('plant'), 'tree', 'parts', '2', 'name')?.value === 'c'")
        await page.run("field(card('plant'), 'tree', 'parts', '1').querySelector('.icon').click()")
        said = await emit(page, "plant")
        assert re.findall(r'"name": "(\w+)"', said) == ["oak", "a", "c"]


async def test_keys_of_a_dictionary_are_written(browser: Browser) -> None:
    async with opened(browser) as page:
        await fill_order(page)
        await page.run(
            """type(input(card("place"), "order", "way", "at"), "2026-01-31T12:00:00Z");
            const extra = field(card("place"), "order", "extra");
            extra.querySelector(".optional input").click();
            press(extra, "Add an entry");
            type(extra.querySelector(".key"), "spoons");
            type(extra.querySelector("[type=number]"), "3");"""
        )
        await emit(page, "place")
        sent = await page.run("return document.querySelector('.is-out .short').textContent")
        assert '"extra":{"spoons":3}' in sent


async def test_optional_argument_is_left_out_until_it_is_wanted(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('rename')")
        await page.run("type(input(card('rename'), 'name'), 'Ada')")
        await emit(page, "rename")
        await page.run("field(card('rename'), 'loud').querySelector('.optional input').click()")
        await page.run("input(card('rename'), 'loud').click()")
        await page.run("press(card('rename'), 'Emit')")
        await page.until("""result("rename").includes('"ADA"')""")
        sent = await page.run(
            "return [...document.querySelectorAll('.is-out .short')]"
            ".map((each) => each.textContent)"
        )
        assert sent == ['["Ada"]', '["Ada",true]']


async def test_file_travels_as_binary(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run(
            """await open_("upload");
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array([1, 2, 3])], "a.bin"));
            input(card("upload"), "file").files = files.files;
            press(field(card("upload"), "further arguments"), "Add an item");
            type(input(card("upload"), "further arguments", "0"), "small");"""
        )
        assert (await emit(page, "upload")).endswith("4")  # bytes and words


async def test_json_may_be_edited_in_place_of_the_form(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('upload')")
        await page.run("press(card('upload'), 'JSON')")
        area = "card('upload').querySelector('.json')"
        await page.until(f"{area}.checkVisibility()")
        await page.run(f"type({area}, " + """'[{"$binary": "AQIDBA=="}, "a", "b"]')""")
        assert (await emit(page, "upload")).endswith("6")
        await page.run(f"type({area}, '[1')")
        await page.run("press(card('upload'), 'Emit')")
        await page.until("card('upload').textContent.includes('This is no JSON')")
        await page.run(f"type({area}, '[' + 'null, \"c\"]')")
        await page.run("press(card('upload'), 'Form')")
        await page.until("input(card('upload'), 'further arguments', '0')?.value === 'c'")


async def test_form_that_is_not_complete_is_taken_along_to_json(browser: Browser) -> None:
    async with opened(browser) as page:
        await fill_order(page)
        await page.run(
            """const count = field(card("place"), "order", "items", "0", "count");
            count.querySelector("[type=checkbox]").click();
            type(input(card("place"), "order", "items", "0", "count"), "");
            press(card("place"), "JSON");"""
        )
        area = "card('place').querySelector('.json')"
        await page.until(f"{area}.checkVisibility()")
        (order,) = json.loads(await page.run(f"return {area}.value"))
        assert order["items"] == [
            {"name": "Tea", "price": "2.50", "count": None},
            {"name": "Milk", "price": "1.25"},
        ]
        assert await page.run("return wrong(card('place'))") == []


async def test_type_that_holds_itself_opens_as_far_as_one_goes(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('plant')")
        await page.run(
            """const tree = field(card("plant"), "tree");
            type(input(tree, "name"), "oak");
            field(tree, "parts").querySelector(".optional input").click();
            press(field(tree, "parts"), "Add an item");
            type(input(tree, "parts", "0", "name"), "branch");"""
        )
        said = await emit(page, "plant")
        assert '"parts": [\n    {\n      "name": "branch"\n    }\n  ]' in said


async def test_error_of_a_handler_is_shown(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('fail')")
        assert "The shop is closed." in await emit(page, "fail", "Refused")


async def test_question_of_the_server_is_answered_in_a_form(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('question')")
        await emit(page, "question")
        await page.until("card('ask').querySelector('.question')")
        await page.run("type(input(card('ask'), 'answer'), '7'); press(card('ask'), 'Answer')")
        await page.until("card('told').querySelector('.badge').textContent === '1'")
        assert (await page.run("return log_()"))[-2:] == ["↩ ask", "← told"]
        assert await page.run("return card('ask').querySelector('.question')") is None


# --- the log --------------------------------------------------------------------------------------


async def test_log_is_copied_as_text_and_cleared(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.run("await open_('rename')")
        await page.run("type(input(card('rename'), 'name'), 'Ada')")
        await emit(page, "rename")
        await page.run(
            "Object.defineProperty(navigator, 'clipboard', "
            "{ value: { writeText: async (text) => { window.copied = text; } } });"
            "document.getElementById('copy').click()"
        )
        await page.until("document.getElementById('log-status').textContent === 'Copied.'")
        lines = (await page.run("return copied")).splitlines()
        assert [line.split("  ")[1:] for line in lines[1:]] == [
            ["→", "/", "rename", '["Ada"]'],
            ["✓", "/", "rename", '["Ada"]'],
        ]
        await page.run("document.getElementById('clear').click()")
        assert await page.run(
            "return [log_(), document.getElementById('log-count').textContent]"
        ) == [
            [],
            "0",
        ]
