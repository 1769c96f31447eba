"""The archives of a release: their content, and the programs that an installation can run.

Each installation is a fresh environment, with the locked versions and nothing of this checkout.
"""

import email
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "packaging"
LOCK = ROOT / "locks" / "develop.txt"
BUNDLE = ROOT / "tests" / "golden" / "talks.bundle"
EXAMPLE = "examples/renault-nissan/negotiation.jsonl"
SETTINGS: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: Mapping[str, Any] = SETTINGS["project"]
EXTRAS: Mapping[str, Sequence[str]] = PROJECT["optional-dependencies"]
PACKAGES = (("client", "pourparler"), ("service", "pourparler_service"), ("proto", "pourparler"))
LINK = re.compile(r'\b(?:href|src|srcset)="([^"]*)"')
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input")

pytestmark = [pytest.mark.slow, pytest.mark.tools]


class Archives(NamedTuple):
    """The files of a release, and the packages that an installation needs."""

    sdist: Path
    wheel: Path
    wheel_of_sdist: Path
    packages: Path


class Environment(NamedTuple):
    """A virtual environment, and an empty folder in which its programs run."""

    path: Path
    folder: Path

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        program, *arguments = command
        return run(self.path / "bin" / program, *arguments, cwd=self.folder)


def run(*command: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=cwd, env=clean(), capture_output=True, text=True, timeout=120, check=False
    )


def clean() -> dict[str, str]:
    """Return the environment of the tests, without the variables that lead to this checkout."""
    own = ("PYTHON", "POURPARLER", "COVERAGE", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def done(*command: str | Path, cwd: Path) -> None:
    ended = run(*command, cwd=cwd)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep the other processes of a test run out of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(name="archives", scope="session")
def _archives(testrun_uid: str) -> Archives:
    """Build the archives of this checkout, once in a test run."""
    with alone(CACHE):
        packages, dist = downloaded(), CACHE / "dist"
        stamp = CACHE / "built"
        if not stamp.exists() or stamp.read_text() != testrun_uid:
            build(packages, dist)
            stamp.write_text(testrun_uid)
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return Archives(sdist, wheel, dist / "of_sdist" / wheel.name, packages)


def downloaded() -> Path:
    """Download the locked packages that the archives need, once for every lock.

    Skips the test where no package registry answers, but never in CI.
    """
    declared = [*PROJECT["dependencies"], *SETTINGS["build-system"]["requires"]]
    declared += [one for extra, group in EXTRAS.items() if extra != "all" for one in group]
    state = hashlib.sha256(LOCK.read_bytes() + repr(sorted(declared)).encode()).hexdigest()
    packages, stamp, versions = CACHE / "packages", CACHE / "downloaded", CACHE / "versions.txt"
    if stamp.exists() and stamp.read_text() == state:
        return packages
    shutil.rmtree(packages, ignore_errors=True)
    locked = re.findall(r"^([^\s#]+==[^\\\n]+)", LOCK.read_text(), re.MULTILINE)
    versions.write_text("\n".join(locked))
    download = [*PIP, "download", "--retries=1", "--only-binary=:all:", f"--dest={packages}"]
    ended = run(*download, f"--constraint={versions}", *declared, cwd=CACHE)
    if ended.returncode and "connection" in ended.stderr.lower() and "CI" not in os.environ:
        pytest.skip(f"no package registry answers: {ended.stderr.strip()[-300:]}")
    assert ended.returncode == 0, ended.stderr
    stamp.write_text(state)
    return packages


def build(packages: Path, dist: Path) -> None:
    """Build both archives from this checkout, and another wheel from the source archive alone."""
    shutil.rmtree(dist, ignore_errors=True)
    builder = CACHE / "builder"
    create(builder)
    install(builder, packages, *SETTINGS["build-system"]["requires"])
    done(builder / "bin" / "python", "-m", "hatchling", "build", "-d", dist, cwd=ROOT)
    (sdist,) = dist.glob("*.tar.gz")
    offline = ("--no-deps", "--no-index", f"--find-links={packages}")
    done(*PIP, "wheel", *offline, f"--wheel-dir={dist / 'of_sdist'}", sdist, cwd=CACHE)


def create(path: Path) -> None:
    done(sys.executable, "-m", "venv", "--clear", "--without-pip", path, cwd=CACHE)


def install(environment: Path, packages: Path, *what: str) -> None:
    """Install from the downloaded packages alone, so that a version that is not locked fails."""
    python = environment / "bin" / "python"
    offline = ("--no-compile", "--no-index", f"--find-links={packages}")
    done(*PIP, "--python", python, "install", *offline, *what, cwd=CACHE)


@pytest.fixture(name="environment")
def _environment(
    request: pytest.FixtureRequest, archives: Archives, tmp_path: Path
) -> Iterator[Environment]:
    """Install the wheel into a fresh environment, with the extra that a test names."""
    extra = getattr(request, "param", "")
    path, folder = tmp_path / "environment", tmp_path / "empty"
    folder.mkdir()
    create(path)
    install(path, archives.packages, f"{archives.wheel}[{extra}]" if extra else str(archives.wheel))
    yield Environment(path, folder)
    shutil.rmtree(path)


def with_extra(extra: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("environment", [extra], indirect=True)


def test_the_source_archive_makes_the_same_wheel(archives: Archives) -> None:
    with zipfile.ZipFile(archives.wheel) as one, zipfile.ZipFile(archives.wheel_of_sdist) as other:
        assert {n: one.read(n) for n in one.namelist()} == {
            n: other.read(n) for n in one.namelist()
        }
        assert one.namelist() == other.namelist()


def test_the_source_archive_holds_what_its_tests_and_pages_need(archives: Archives) -> None:
    with tarfile.open(archives.sdist) as sdist:
        top = {name.split("/")[1] for name in sdist.getnames()}

    assert {"LICENSE", "Makefile", "docs", "examples", "locks", "proto", "tests"} <= top
    assert not {".venv", "build", "dist"} & top


def test_the_wheel_holds_the_packages_the_contract_and_the_example(archives: Archives) -> None:
    source = {
        path.relative_to(ROOT / root).as_posix(): path
        for root, package in PACKAGES
        for path in (ROOT / root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    source[f"pourparler/{EXAMPLE}"] = ROOT / EXAMPLE

    with zipfile.ZipFile(archives.wheel) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}

    assert held == {name: path.read_bytes() for name, path in source.items()}
    assert "pourparler/v1/entry.proto" in held


def described(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def links(text: str) -> Iterator[str]:
    """Yield the targets of the links and images in a Markdown text."""
    for block in MarkdownIt("commonmark").enable("table").parse(text):
        for token in (block, *(block.children or ())):
            if token.type in {"html_block", "html_inline"}:
                yield from LINK.findall(token.content)
            for name in ("href", "src"):
                if name in token.attrs:
                    yield str(token.attrs[name])


def code(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").parse(text)
    return [token.content for token in tokens if token.type in {"fence", "code_block"}]


def test_the_description_leads_to_the_pages_of_its_release(archives: Archives) -> None:
    readme = (ROOT / "README.md").read_text()
    source = re.escape(PROJECT["urls"]["Source"])
    ours = re.compile(rf"{source}/(?:blob|raw)/v{re.escape(PROJECT['version'])}/([^#]+)(?:#.*)?")

    description = described(archives.wheel).get_payload()

    assert isinstance(description, str)
    assert code(description) == code(readme)
    found = list(links(description))
    assert len(found) == len(list(links(readme)))
    assert all(link.startswith(("https://", "#")) for link in found)
    paths = [at[1] for at in map(ours.fullmatch, found) if at]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_metadata_say_what_is_so(archives: Archives) -> None:
    told = described(archives.wheel)

    assert set(told.get_all("Provides-Extra", [])) == set(EXTRAS)
    assert EXTRAS["all"] == [f"pourparler[{','.join(sorted(set(EXTRAS) - {'all'}))}]"]
    assert set(EXTRAS["cli"]) <= set(EXTRAS["service"])
    assert "Development Status :: 4 - Beta" in told.get_all("Classifier", [])
    assert "Operating System :: OS Independent" not in told.get_all("Classifier", [])
    assert len(told.get_all("Project-URL", [])) == len(PROJECT["urls"])


def test_the_plain_installation_is_the_client_and_says_what_else_needs(
    environment: Environment,
) -> None:
    script = "import pourparler; pourparler.Client('127.0.0.1:1').close()"
    assert environment.run("python", "-W", "error", "-c", script).returncode == 0

    for extra, command in {
        "cli": ("pourparler", "list"),
        "service": ("python", "-m", "pourparler_service"),
    }.items():
        ended = environment.run(*command)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.count("\n") == 1
        assert f"`pip install 'pourparler[{extra}]'`" in ended.stderr


@with_extra("cli")
def test_the_extra_cli_brings_the_command_and_not_the_service(environment: Environment) -> None:
    assert environment.run("pourparler", "--version").stdout.endswith(f"{PROJECT['version']}\n")

    for serving in ("serve", "demo"):
        ended = environment.run("pourparler", serving)
        assert (ended.returncode, ended.stdout.count("\n$ ")) == (1, 0)
        assert "`pip install 'pourparler[service]'`" in ended.stderr


@with_extra("service")
def test_the_extra_service_serves(environment: Environment) -> None:
    helped = environment.run("pourparler", "serve", "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert environment.run("python", "-m", "pourparler_service", "--help").stdout == helped.stdout

    python = environment.path / "bin" / "python"
    serve = ["-u", "-m", "pourparler_service", "--store", "memory:", "--address", "127.0.0.1:0"]
    with subprocess.Popen(
        [python, *serve], cwd=environment.folder, env=clean(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Pourparler serves on 127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


@with_extra("browse")
def test_the_extra_browse_brings_the_reader(environment: Environment) -> None:
    ended = environment.run("pourparler", "browse", "--bundle", str(BUNDLE))

    assert "needs a whole terminal" in ended.stderr


@with_extra("data")
def test_the_extra_data_brings_pandas_and_parquet(environment: Environment) -> None:
    script = "import pandas, pyarrow.parquet, pourparler"

    assert environment.run("python", "-c", script).returncode == 0


@with_extra("xlsx")
def test_the_extra_xlsx_brings_the_reader_of_workbooks(environment: Environment) -> None:
    script = "import openpyxl, pourparler.formats.xlsx"

    assert environment.run("python", "-c", script).returncode == 0


@with_extra("report")
def test_the_extra_report_makes_a_page(environment: Environment) -> None:
    ended = environment.run("pourparler", "report", "--bundle", str(BUNDLE), "-o", "report.html")

    assert ended.returncode == 0, ended.stderr
    assert (environment.folder / "report.html").read_text().startswith("<!doctype html>")


@with_extra("all")
def test_the_extra_all_shows_the_demo_in_an_empty_folder(environment: Environment) -> None:
    ended = environment.run("pourparler", "demo", "--port", "0")

    assert ended.returncode == 0, ended.stderr
    assert "17 recorded" in ended.stdout
    assert "As the record stood at version 16" in ended.stdout
    assert list(environment.folder.iterdir()) == []
