"""Headless Chromium for the tests, without the user's own profile."""

import shutil
import threading
from contextlib import contextmanager

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.test.testcases import LiveServerThread

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def found():
    """Return the paths of a browser and its driver, or the reason without one."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("No Chromium with its chromedriver is installed.")
    return browser, driver


@contextmanager
def chromium(folder, size=(1280, 900), *, is_dark=False):
    """Return a driver whose browser keeps its files in *folder*, which is empty."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed."
    )
    from selenium.webdriver.chrome.service import Service

    browser, driver = found()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    flags = [*FLAGS, f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}"]
    for flag in flags:
        options.add_argument(flag)
    if is_dark:
        options.add_argument("--force-dark-mode")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        if is_dark:
            started.execute_cdp_cmd(
                "Emulation.setEmulatedMedia",
                {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
            )
        started.set_window_size(*size)
        yield started
    finally:
        started.quit()


@contextmanager
def live_server():
    """Return the URL of a server in a thread of this test, on the same database."""
    database = connections["default"]
    database.inc_thread_sharing()
    thread = LiveServerThread("127.0.0.1", StaticFilesHandler, {"default": database}, 0)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    assert thread.error is None
    try:
        yield f"http://127.0.0.1:{thread.port}"
    finally:
        for each in threading.enumerate():  # they end with the browser's connections
            if "process_request_thread" in each.name:
                each.join(timeout=10)
        thread.terminate()
        database.dec_thread_sharing()


def wait_for_next_page(driver, before):
    """Wait until *before*, the html element of a page, is gone."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.expected_conditions import staleness_of
    from selenium.webdriver.support.wait import WebDriverWait

    # In between, chromedriver may not find the element, and say so in another way.
    wait = WebDriverWait(driver, 30, ignored_exceptions=[WebDriverException])
    wait.until(staleness_of(before))
