"""Headless Chromium for the tests, with nothing of the one that somebody uses."""

import shutil
from contextlib import contextmanager

import pytest

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
    """The paths of a browser and its driver, or why there is none."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("No Chromium with its chromedriver is installed.")
    return browser, driver


@contextmanager
def chromium(folder, size=(1280, 900), *, is_dark=False):
    """A driver whose browser keeps everything in *folder*, a new and empty one."""
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
