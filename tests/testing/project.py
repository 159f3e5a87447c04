"""A small project in a folder, whose tests run in other processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import ROOT

MANAGE = """
import multiprocessing
import os
import sys

if __name__ == "__main__":
    multiprocessing.set_start_method(os.environ.get("START_METHOD", "fork"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""

SETTINGS = """
import json
import os

SECRET_KEY = "of-the-project"
USE_TZ = True
STATIC_URL = "static/"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_ormist",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "shop.urls"
SESSION_ENGINE = "django_ormist.sessions"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
}
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES = json.loads(os.environ.get("SHOP_CACHES", "null")) or {"default": LOCMEM}
ORMIST = json.loads(os.environ["SHOP_ORMIST"])
"""

URLS = """
from django.http import HttpResponse
from django.urls import path


def name(request):
    return HttpResponse(request.user.get_username())


urlpatterns = [path("name", name)]
"""

MODELS = """
import django_ormist as ormist


class Cart(ormist.TaggedModel):
    class Meta:
        app_label = "shop"
        expire = 3600
"""


class Project:
    """The project in *folder*, with *ormist* as its ORMIST."""

    def __init__(self, folder: Path, ormist: dict[str, Any]) -> None:
        import json

        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        kept.pop("DJANGO_ORMIST_TEST_RUN", None)
        self.environment = {
            **kept,
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "SHOP_ORMIST": json.dumps(ormist),
        }
        self.write("manage.py", MANAGE)
        self.write("site_settings.py", SETTINGS)
        self.write("shop/__init__.py", "")
        self.write("shop/urls.py", URLS)
        self.write("shop/models.py", MODELS)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def manage(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        """Run ``manage.py`` with these arguments, and return the ended process."""
        return self._run(["manage.py", *words], environment)

    def pytest(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        """Run pytest with these arguments and our plugin; return the ended process."""
        from importlib.metadata import entry_points

        plugin = "django_ormist.testing.plugin"
        found = {each.value for each in entry_points(group="pytest11")}
        loaded = [] if plugin in found else ["-p", plugin]
        start = ["-m", "pytest", "-p", "no:cacheprovider", *loaded]
        return self._run([*start, *words], environment)

    def _run(
        self, words: list[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
