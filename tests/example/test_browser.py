"""The site in a real browser: what expires is counted down, and every page fits.

With ORMIST_SCREENSHOTS=folder each page is also saved as a picture, light and dark,
wide and narrow. With ORMIST_AXE=axe.min.js, the file of the npm package axe-core, the
accessibility of each page is checked too.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.admin.browser import chromium, live_server, wait_for_next_page
from tests.servers import wait_until

pytestmark = [pytest.mark.servers("valkey91"), pytest.mark.slow]

PAGES = {
    "index": "/",
    "products": "/shop/?explain=1",
    "product": "/shop/products/tea/",
    "cart": "/shop/cart/",
    "carts": "/shop/carts/",
    "orders": "/shop/orders/",
    "order": "/shop/orders/demo07/",
    "links": "/shop/links/",
    "used-link": "/shop/links/used/",
    "jobs": "/shop/jobs/",
    "leaderboard": "/shop/leaderboard/",
    "cities": "/cities/?country=US",
    "city": "/cities/2/",
    "countries": "/cities/countries/",
    "search": "/cities/search/?at_least=1&explain=1",
    "todo": "/todo/",
    "devices": "/devices/",
    "sign-in": "/sign-in/",
}
VIEWS = [(1280, False), (390, True)]
AXE = """
const done = arguments[arguments.length - 1];
axe.run().then(found => done(found.violations.map(
    each => `${each.id}: ${each.nodes.map(node => node.html).join(' ')}`
)));
"""


@pytest.fixture
def site_url(stored, settings, db, django_user_model):
    """The URL of the site in a thread of this test, with objects as of the demo."""
    from shop import catalogue
    from shop.models import Job, Order, Product, Shopper
    from todo.models import TodoItem

    settings.ALLOWED_HOSTS = ["*"]
    ada = django_user_model.objects.create_superuser("ada", password="demo")
    orders = catalogue.make_orders([ada], 8)
    Product.objects.bulk_create(catalogue.read_products())
    Shopper.objects.bulk_create(catalogue.make_shoppers(60))
    Order.objects.bulk_create(orders)
    Job.objects.bulk_create(catalogue.make_jobs(orders))
    TodoItem.objects.create("home", text="Read the manual", expire=600)
    with live_server() as url:
        yield url


@pytest.fixture
def open_browser(tmp_path, site_url):
    """Opens a browser in which ada is signed in."""
    with ExitStack() as stack:

        def opened(width=1280, *, is_dark=False):
            folder = tmp_path / f"browser-{width}"
            driver = stack.enter_context(
                chromium(folder, (width, 900), is_dark=is_dark)
            )
            driver.get(f"{site_url}/sign-in/")
            one(driver, "[name=username]").send_keys("ada")
            one(driver, "[name=password]").send_keys("demo")
            press(driver, "main form button")
            return driver

        yield opened


def one(driver, selector):
    return driver.find_element("css selector", selector)


def press(driver, selector):
    """Press a button, and wait for the next page."""
    button, before = one(driver, selector), one(driver, "html")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    wait_for_next_page(driver, before)


def text(driver, selector):
    return driver.execute_script(
        "return document.querySelector(arguments[0])?.textContent", selector
    )


def assert_silent(driver):
    """Assert that scripts and the policy for them have reported nothing."""
    assert driver.get_log("browser") == []


def test_a_cart_expires_before_ones_eyes(open_browser, site_url):
    from shop.models import Cart

    driver = open_browser()
    Cart.objects.create(expire=3600)
    driver.get(f"{site_url}/shop/carts/")  # fills the caches
    Cart.objects.create(expire=5)
    driver.get(f"{site_url}/shop/carts/")
    driver.execute_script("window.isTheSamePage = true")
    assert text(driver, "#live strong") == "2 carts"
    assert text(driver, "[role=timer]") in ("4 s", "3 s", "2 s", "1 s", "0 s")
    wait_until(lambda: text(driver, "#live strong") == "1 cart", "the new page")
    assert text(driver, "[data-announce]").startswith("1 cart, together")
    assert text(driver, "[role=timer]").startswith("59 min")
    assert "found.count()" in text(driver, "#queries")
    assert driver.execute_script("return window.isTheSamePage")
    assert_silent(driver)


def test_a_person_buys_by_the_keyboard(open_browser, site_url):
    from selenium.webdriver.common.keys import Keys
    from shop.models import Order

    driver = open_browser()
    driver.get(f"{site_url}/shop/")
    for key in (Keys.TAB, Keys.ENTER):  # the link to the content
        driver.switch_to.active_element.send_keys(key)
    assert driver.execute_script("return document.activeElement.id") == "main"
    add = "[aria-label='Add to the cart: Compass']"
    one(driver, add).send_keys(Keys.ENTER)
    wait_until(lambda: text(driver, "h1") == "Your cart", "the cart")
    one(driver, "button.main").send_keys(Keys.ENTER)
    wait_until(
        lambda: "is placed" in (text(driver, "[role=status]") or ""), "the order"
    )
    assert Order.objects.order_by("-placed").first().lines[0].product == "compass"
    assert_silent(driver)


@pytest.mark.parametrize(("width", "is_dark"), VIEWS)
def test_every_page_fits_the_window_and_is_accessible(
    open_browser, site_url, width, is_dark
):
    driver = open_browser(width, is_dark=is_dark)
    driver.get(f"{site_url}/shop/")
    press(driver, "[aria-label='Add to the cart: Mug']")
    driver.get(f"{site_url}/shop/jobs/")
    press(driver, "[value=claim]")
    driver.get(f"{site_url}/shop/links/")
    press(driver, "main form button")
    driver.get(f"{site_url}/shop/carts/")
    press(driver, "main form button")
    for name, path in PAGES.items():
        driver.get(site_url + path)
        save_picture(driver, f"{name}-{width}-{'dark' if is_dark else 'light'}")
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        inner = driver.execute_script("return window.innerWidth")
        assert wide <= inner, f"{name}: {wide} > {inner}"
        assert find_violations(driver) == [], name
        assert_silent(driver)


def find_violations(driver):
    """Return the violations that axe-core finds, if it is at hand."""
    path = os.environ.get("ORMIST_AXE")
    if not path:
        return []
    driver.execute_script(Path(path).read_text())
    return driver.execute_async_script(AXE)


def save_picture(driver, name):
    """Save a picture of the complete page, if requested."""
    folder = os.environ.get("ORMIST_SCREENSHOTS")
    if folder:
        from tests.admin.test_browser import shown

        shown(driver, name)
