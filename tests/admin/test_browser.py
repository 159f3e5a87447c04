"""The admin in a real browser, from the login to the logout.

With ORMIST_SCREENSHOTS=folder each page is also saved as a picture, light and dark,
wide and narrow.
"""

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.models import City, Page, Plain, User

from .browser import chromium, live_server, wait_for_next_page
from .conftest import url
from .declared import Letter, Sender, Shipment, ShipmentLine

pytestmark = [pytest.mark.servers("valkey91"), pytest.mark.slow]


@pytest.fixture
def site_url(admin_settings, settings, superuser):
    """The URL of a server in a thread of this test, on the same database."""
    settings.ALLOWED_HOSTS = ["*"]
    with live_server() as url_of_site:
        yield url_of_site


@pytest.fixture
def pages(site_url):
    """Returns the URL of a page there: ``pages("tests_city_change", pk)``."""
    return lambda page, *args: site_url + url(page, *args)


@pytest.fixture
def open_browser(tmp_path, site_url):
    """Opens a browser that is signed in as the superuser."""
    with ExitStack() as stack:

        def opened(size=(1280, 900), *, is_dark=False):
            folder = tmp_path / f"browser-{size[0]}-{is_dark}"
            driver = stack.enter_context(chromium(folder, size, is_dark=is_dark))
            driver.get(f"{site_url}/admin/login/")
            type_in(driver, "[name=username]", "root")
            type_in(driver, "[name=password]", "x")
            follow(driver, "[type=submit]")
            return driver

        yield opened


def one(driver, selector):
    return driver.find_element("css selector", selector)


def click(driver, selector):
    element = one(driver, selector)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def follow(driver, selector):
    """Click, and wait for the next page."""
    before = one(driver, "html")
    click(driver, selector)
    wait_for_next_page(driver, before)


def type_in(driver, selector, text):
    element = one(driver, selector)
    element.clear()
    element.send_keys(text)


def choose(driver, selector, value):
    from selenium.webdriver.support.select import Select

    Select(one(driver, selector)).select_by_value(value)


def row_of(driver, name):
    """Return the number of the row that edits an attribute."""
    cell = driver.find_element("xpath", f"//tr[.//span[text()='{name}']]//input")
    return cell.get_attribute("name").removesuffix("-key")


def body(driver):
    return one(driver, "body").text


def assert_silent(driver):
    """Assert that the browser's console has no errors and warnings of our pages."""
    assert [e for e in driver.get_log("browser") if "favicon" not in e["message"]] == []


def test_a_person_adds_changes_finds_and_deletes(open_browser, pages, server):
    driver = open_browser()
    driver.get(pages("tests_plain_add"))
    type_in(driver, "[name=id]", "first")
    type_in(driver, "[name=attrs-0-name]", "title")
    type_in(driver, "[name=attrs-0-value]", "Hello")
    type_in(driver, "[name=attrs-1-name]", "done")
    choose(driver, "[name=attrs-1-kind]", "boolean")
    choose(driver, "[data-ormist-answer]", "false")
    click(driver, "[data-ormist-add]")
    type_in(driver, "[name=attrs-2-name]", "items")
    choose(driver, "[name=attrs-2-kind]", "json")
    type_in(driver, "[name=attrs-2-value]", '["a", 1]')
    follow(driver, "[name=_continue]")
    assert "was added successfully" in body(driver)
    plain = Plain.objects.get("first")
    assert plain.attrs == {"title": "Hello", "done": False, "items": ["a", 1]}

    row = row_of(driver, "title")
    choose(driver, f"[name={row}-kind]", "integer")
    type_in(driver, f"[name={row}-value]", "many")
    follow(driver, "[name=_save]")
    assert "title: Enter a whole number." in body(driver)
    type_in(driver, f"[name={row}-value]", "7")
    click(driver, f"[name={row_of(driver, 'items')}-remove]")
    follow(driver, "[name=_save]")
    assert "was changed successfully" in body(driver)
    assert Plain.objects.get("first").attrs == {"title": 7, "done": False}

    type_in(driver, "#searchbar", "fir")
    follow(driver, "#changelist-search [type=submit]")
    assert "1 result" in body(driver) or "first" in body(driver)
    driver.get(pages("tests_plain_history", "first"))
    assert "Changed title and items." in body(driver)
    driver.get(pages("tests_plain_delete", "first"))
    follow(driver, "#content [type=submit]")
    assert "was deleted successfully" in body(driver)
    assert not Plain.objects.exists()
    assert_silent(driver)


def test_a_browser_returns_values_unchanged(open_browser, pages, server):
    """A save without a change keeps every type and name."""
    from .pages import KEPT, NAMES, VALUES

    plain = Plain(id="all")
    plain.attrs.update(
        {**VALUES, **KEPT, **dict.fromkeys(NAMES, "\n x\n\ny "), "cr": "a\r\nb"}
    )
    plain.expire = datetime(2030, 12, 31, 12, 0, 0, 7000, tzinfo=UTC)
    plain.save()
    packed = server.client.get(plain._key())
    driver = open_browser()
    driver.get(pages("tests_plain_change", "all"))
    follow(driver, "[name=_continue]")
    assert "was changed successfully" in body(driver)
    assert server.client.get(plain._key()) == packed
    assert_silent(driver)


def test_a_browser_returns_declared_values_unchanged(open_browser, pages, server):
    shipment = Shipment.objects.create(**DECLARED)
    packed = server.client.get(shipment._key())
    driver = open_browser()
    driver.get(pages("tests_shipment_change", shipment.pk))
    follow(driver, "[name=_continue]")
    assert "was changed successfully" in body(driver)
    assert server.client.get(shipment._key()) == packed
    choose(driver, "[name=state]", "lost")
    click(driver, "[name=express]")
    type_in(driver, "[name=weight]", "0")
    follow(driver, "[name=_continue]")
    assert "greater than or equal to 1" in body(driver)
    type_in(driver, "[name=weight]", "12")
    follow(driver, "[name=_continue]")
    shipment.refresh_from_db()
    assert (shipment.state, shipment.express, shipment.weight) == ("lost", False, 12)
    assert_silent(driver)


def test_a_person_chooses_an_object_in_a_search_popup(open_browser, pages, server):
    from selenium.webdriver.support.wait import WebDriverWait

    for name in ("ann", "bob"):
        Sender.objects.create(id=name, name=name)
    driver = open_browser()
    driver.get(pages("tests_letter_add"))
    click(driver, ".field-sender .select2-selection")
    type_in(driver, ".select2-search__field", "bob")
    found = ".select2-results__option[aria-selected]"

    def texts(driver):
        shown = "return [...document.querySelectorAll(arguments[0])]"
        return driver.execute_script(f"{shown}.map(e => e.textContent)", found)

    WebDriverWait(driver, 30).until(lambda _: texts(driver) == ["Sender bob"])
    click(driver, found)
    follow(driver, "[name=_continue]")
    assert "was added successfully" in body(driver)
    assert Letter.objects.get().sender_id == "bob"
    assert "Sender bob" in body(driver)
    assert_silent(driver)


def test_two_people_do_not_overwrite_each_other(open_browser, pages, server):
    City.objects.create("old", id="rome", name="Rome")
    ann, bob = open_browser(), open_browser((1000, 800))
    for driver in (ann, bob):
        driver.get(pages("tests_city_change", "rome"))
        type_in(driver, f"[name={row_of(driver, 'name')}-value]", "Roma")
    type_in(bob, f"[name={row_of(bob, 'name')}-value]", "Rom")
    follow(ann, "[name=_save]")
    follow(bob, "[name=_save]")
    assert "Another user changed this city" in body(bob)
    assert City.objects.get("rome").name == "Roma"


def test_a_person_selects_all_and_deletes_them(open_browser, pages, server):
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(25))
    kept = City.objects.create(name="Kept", country="YY")
    driver = open_browser()
    driver.get(pages("tests_city_changelist"))
    follow(driver, "#changelist-filter a[href*='country=XX']")
    click(driver, "#action-toggle")
    click(driver, ".question a")
    choose(driver, "[name=action]", "delete_selected")
    follow(driver, "button[name=index]")
    assert "25" in body(driver)
    follow(driver, "#content [type=submit]")
    assert "Successfully deleted 25" in body(driver)
    assert City.objects.all().list() == [kept]
    assert_silent(driver)


def test_a_person_edits_a_list(open_browser, pages, server):
    User.objects.create(id="ann", name="Ann", age=30)
    driver = open_browser()
    driver.get(pages("tests_user_changelist"))
    type_in(driver, "[name=form-0-age]", "31")
    follow(driver, "[name=_save]")
    assert "1 user was changed successfully." in body(driver)
    assert User.objects.get("ann").age == 31
    assert_silent(driver)


DECLARED = {
    "customer": "Ann\r\n Lee ",
    "weight": 7,
    "price": Decimal("1E+3"),
    "state": "sent",
    "express": True,
    "note": "\n two\nlines ",
    "sent": datetime(2030, 12, 31, 12, 0, 0, 7000, tzinfo=UTC),
    "lines": [ShipmentLine("é", 2, ["x" * 60])],
    "labels": {"a", "b"},
    "views": 3,
    "other": "undeclared",
}

# ------------------------------------------------------------ how it looks

VIEWS = [(1280, 900, False), (1280, 900, True), (390, 844, False), (390, 844, True)]


def shown(driver, name):
    """Save a picture of the complete page, if requested."""
    folder = os.environ.get("ORMIST_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        width = driver.get_window_size()["width"]
        height = driver.execute_script("return document.documentElement.scrollHeight")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": min(height, 4000),
                "deviceScaleFactor": 1,
                "mobile": False,
            },
        )
        driver.save_screenshot(str(Path(folder) / f"{name}.png"))
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("width", "height", "is_dark"), VIEWS)
def test_no_page_is_wider_than_the_window(
    open_browser, pages, server, width, height, is_dark
):
    from .pages import VALUES

    City.objects.bulk_create(
        City("old" if n % 2 else "new", name=f"City {n}", country="IT", population=n)
        for n in range(14)
    )
    Page.objects.create("home", id="page", title="Title", views=3)
    plain = Plain(id="plain", expire=datetime(2031, 1, 1, tzinfo=UTC))
    plain.attrs.update({**VALUES, "photo": b"\x89PNG" * 60, "long": "word " * 80})
    plain.save()
    User.objects.create("staff", id="ann", name="Ann", age=30, active=True, bio="...")
    Shipment.objects.create("b", id="box", **DECLARED)
    Letter.objects.create(id="a", sender=Sender.objects.create(name="Ann"), clerk=1)
    driver = open_browser((width, height), is_dark=is_dark)
    for name, address in {
        "index": pages("tests_city_changelist").rsplit("/", 3)[0] + "/",
        "list": pages("tests_city_changelist") + "?_facets=True",
        "editable": pages("tests_user_changelist"),
        "add": pages("tests_city_add"),
        "change": pages("tests_plain_change", "plain"),
        "counters": pages("tests_page_change", "page"),
        "declared": pages("tests_shipment_change", "box"),
        "references": pages("tests_letter_change", "a"),
        "references-list": pages("tests_letter_changelist"),
        "declared-list": pages("tests_shipment_changelist"),
        "delete": pages("tests_plain_delete", "plain"),
        "overview": pages("django_ormist_overview_changelist"),
    }.items():
        driver.get(address)
        shown(driver, f"{name}-{width}-{'dark' if is_dark else 'light'}")
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        inner = driver.execute_script("return window.innerWidth")
        assert wide <= inner, f"{name}: {wide} > {inner}"
        assert_silent(driver)
