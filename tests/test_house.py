"""The house keeps its own rules: floors, sizes, no path of one machine, and a wheel of exactly the tracked files."""

import ast
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("cluster", "primitives", "protocols", "transactions")
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
IMPURE = frozenset(
    {"asyncio", "concurrent", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "secrets", "select", "selectors"}
    | {"signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "uuid"}
)
"""Standard modules that reach a loop, a socket, a disk, a clock, a thread or another process."""


def tracked() -> list[Path]:
    """The files that git knows and that are here, relative to the root; links stay links."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listing.split("\0") if name and os.path.lexists(ROOT / (path := Path(name)))]


def python_sources() -> Iterator[tuple[Path, str]]:
    """Every tracked Python file, with or without a suffix, and its text."""
    for path in tracked():
        if (ROOT / path).is_symlink():
            continue
        if path.suffix == ".py":
            yield path, (ROOT / path).read_text("utf-8")
        elif path.parts[0] in ("scripts", ".ci") and not path.suffix:
            text = (ROOT / path).read_text("utf-8")
            if text.startswith("#!") and "python" in text.partition("\n")[0]:
                yield path, text


def imports(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names taken from it) for every import statement, wherever it stands."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)


def test_floor_0_imports_only_itself_and_pure_standard_modules() -> None:
    wrong = [
        f"{path}: {module}"
        for path, text in python_sources()
        if path.parts[0] == "protocols"
        for module, _ in imports(text)
        if not module.startswith("quorate.protocols")
        and ((top := module.partition(".")[0]) not in sys.stdlib_module_names or top in IMPURE)
    ]

    assert [] == wrong


def test_floor_0_takes_no_randomness_but_a_seeded_random() -> None:
    wrong = [
        f"{path}: {module} {names}"
        for path, text in python_sources()
        if path.parts[0] == "protocols"
        for module, names in imports(text)
        if module == "random" and names != ("Random",)
    ]

    assert [] == wrong


def test_the_floors_are_imported_by_their_full_name() -> None:
    wrong = [
        f"{path}: {module}"
        for path, text in python_sources()
        for module, _ in imports(text)
        if module.startswith(".") or (path.parts[0] != "tests" and module.partition(".")[0] in FLOORS)
    ]

    assert [] == wrong


def test_no_module_is_too_long() -> None:
    wrong = {str(path): lines for path, text in python_sources() if (lines := text.count("\n")) > MODULE_LINES_MAX}

    assert {} == wrong


def test_no_function_is_too_long() -> None:
    wrong = {
        f"{path}:{node.lineno} {node.name}": lines
        for path, text in python_sources()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }

    assert {} == wrong


def test_every_module_says_what_it_is() -> None:
    assert [] == [str(path) for path, text in python_sources() if text.strip() and not ast.get_docstring(ast.parse(text))]


def test_no_file_names_a_path_of_one_machine() -> None:
    paths = tuple("/" + folder + "/" for folder in ("work", "root"))
    wrong = []
    for path in tracked():
        if (ROOT / path).is_symlink():
            continue
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        wrong += [f"{path}:{number}" for number, line in enumerate(text.splitlines(), 1) if any(name in line for name in paths)]

    assert [] == wrong


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the tracked files alone, in a folder that holds nothing else."""
    source = tmp_path_factory.mktemp("source")
    for path in tracked():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path, follow_symlinks=False)
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_exactly_the_tracked_package_files(wheel: Path) -> None:
    expected = sorted(
        str(Path(*([] if path.parts[0] == "quorate" else ["quorate"]), path))
        for path in tracked()
        if path.parts[0] in (*FLOORS, "quorate") and not (ROOT / path).is_symlink()
    )
    names = zipfile.ZipFile(wheel).namelist()

    assert expected == sorted(name for name in names if ".dist-info/" not in name)
    assert {"quorate"} == {top for name in names if not (top := name.partition("/")[0]).endswith(".dist-info")}


@pytest.mark.process
def test_the_installed_wheel_brings_the_command(wheel: Path, tmp_path: Path) -> None:
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel]
    subprocess.run(install, cwd=empty, check=True, timeout=600)

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    version = wheel.name.split("-")[1]
    assert version in run(environment / "bin" / "quorate", "--version")
    assert "Usage" in run(environment / "bin" / "quorate", "--help")
    where = Path(run(python, "-c", "import quorate; print(quorate.__file__)").strip())
    assert environment in where.parents
