"""The house keeps its rooms apart: who may import whom, where queries and clocks live, what nobody may call."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

APP = ROOT / "app"
MOST_LINES = 450

# HOUSE section 2: a room -> the rooms of app that it may import. A room is a module or package directly in app.
BASICS = {"clock", "errors"}
CONFIG = {"config", "config_values", "instance_folder", "redaction"}
MAY_IMPORT: dict[str, set[str]] = {
    "app": {"factory", "config"},
    "factory": {"web", "api", "cli", "extensions", "sealing", "errors", *CONFIG},
    "config": {"config_values", "instance_folder", "redaction", "errors"},
    "config_values": {"redaction"},
    "instance_folder": {"errors"},
    "redaction": set(),
    "garbage": set(),
    "sealing": {"redaction"},
    "extensions": set(),
    "clock": {"core"},
    "errors": set(),
    "models": {"extensions", "core", "redaction", "sealing"},
    "database_check": {"factory", "extensions", "store", "errors"},
    "bind_check": {"factory", "config", "config_values", "extensions", "errors", "store"},
    "core": {"core", "errors"},
    "clients": {"clients", "core", *BASICS},
    "store": {"store", "models", "extensions", "core", "redaction", *BASICS},
    "jobs": {"jobs", "core", "clients", "store", "extensions", "garbage", *BASICS, *CONFIG},
    "web": {"web", "store", "core", "extensions", *BASICS, *CONFIG},
    "api": {"api", "web", "store", "core", "extensions", *BASICS, *CONFIG},
    "cli": {"jobs", "store", "core", "extensions", "sealing", *BASICS, *CONFIG},
}
# Modules whose rows others may look at, but only store queries. `app.models` in web and api: for types only.
TYPES_ONLY = {("web", "models"), ("api", "models"), ("jobs", "models")}
STANDARD_LIBRARY = sys.stdlib_module_names | {"__future__"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(APP).with_suffix("").parts
    return "app" if parts == ("__init__",) else parts[0]


def for_types_only(module: ast.Module) -> set[ast.AST]:
    """Nodes under `if TYPE_CHECKING:`."""
    blocks = [node for node in ast.walk(module) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    return {child for block in blocks for child in ast.walk(block)}


def imports(path: Path) -> Iterator[tuple[str, bool, int]]:
    """(dotted module, for types only, line) of every import, also late ones."""
    module = tree(path)
    types_only = for_types_only(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node in types_only, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            if node.module == "app":
                for alias in node.names:
                    yield f"app.{alias.name}", node in types_only, node.lineno
            else:
                yield node.module or "", node in types_only, node.lineno


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_room_imports_only_what_the_plan_of_the_house_allows() -> None:
    wrong = []
    for path in python_files("app"):
        room = room_of(path)
        assert room in MAY_IMPORT, f"{path.relative_to(ROOT)} is a room that the plan does not know"
        for name, types_only, line in imports(path):
            if not name.startswith("app."):
                continue
            target = name.split(".")[1]
            target = "app" if target == "create_app" else target
            if target == room or (target == "app" and room in ("database_check", "cli")):
                continue
            if target not in MAY_IMPORT[room] and not ((room, target) in TYPES_ONLY or types_only):
                wrong.append(f"{where(path, line)}: {room} imports {target}")
    assert wrong == []


def test_core_needs_nothing_but_the_standard_library() -> None:
    wrong = [
        f"{where(path, line)}: {name}"
        for path in python_files("app/core")
        for name, _, line in imports(path)
        if not name.startswith(("app.core", "app.errors")) and name.split(".")[0] not in STANDARD_LIBRARY
    ]
    assert wrong == []


STRANGERS = [("app", "simulator"), ("simulator", "app"), ("demo", "simulator"), ("app", "demo"), ("app", "tests")]


@pytest.mark.parametrize(("folder", "stranger"), STRANGERS)
def test_program_and_simulation_do_not_know_each_other(folder: str, stranger: str) -> None:
    wrong = [
        where(path, line)
        for path in python_files(folder)
        for name, _, line in imports(path)
        if name.split(".")[0] == stranger
    ]
    assert wrong == []


def test_only_store_queries() -> None:
    wrong = []
    for path in python_files("app"):
        if room_of(path) in ("store", "database_check", "extensions"):
            continue
        wrong += [
            where(path, node.lineno)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("sqlalchemy")
            and {alias.name for alias in node.names} & {"select", "insert", "update", "delete", "text", "func"}
        ]
    assert wrong == []


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """("time.time", line) of every call of a dotted name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if re.fullmatch(r"[\w.]+", name):
                yield name, node.lineno


CLOCKS = re.compile(r"(.*\.)?(datetime\.(now|utcnow|today)|date\.today)|time\.(time|monotonic|perf_counter)(_ns)?")


def test_only_the_clock_reads_the_time() -> None:
    wrong = [
        f"{where(path, line)}: {name}"
        for path in python_files("app")
        if room_of(path) != "clock"
        for name, line in calls(path)
        if CLOCKS.fullmatch(name) and (room_of(path), name) != ("clients", "time.monotonic")  # the span of one exchange
    ]
    assert wrong == []


FORBIDDEN = re.compile(
    r"eval|exec|os\.(system|popen|fork)|pickle\.loads?|yaml\.load|print|breakpoint|subprocess\.\w+|threading\.Lock|"
    r"multiprocessing\.\w+|.*\.query\.\w+"
)
ALLOWED_CALLS = {
    ("app/factory.py", "print"),  # what is wrong with the settings, before there is a log
    ("app/jobs/gate.py", "threading.Lock"),
    ("app/jobs/master.py", "threading.Lock"),
    ("app/jobs/runner.py", "threading.Lock"),
}


def test_nothing_calls_what_nobody_should() -> None:
    wrong = [
        f"{where(path, line)}: {name}"
        for path in python_files("app")
        for name, line in calls(path)
        if FORBIDDEN.fullmatch(name) and (str(path.relative_to(ROOT)), name) not in ALLOWED_CALLS
        and not name.startswith("click.")
    ]  # fmt: skip
    assert wrong == []


def test_only_the_runner_catches_everything() -> None:
    """And the start of a term, which lives by the runner's rule."""
    broad = []
    for path in python_files("app"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                names = "" if node.type is None else ast.unparse(node.type)
                raises_on = any(isinstance(child, ast.Raise) for child in ast.walk(node))
                if (node.type is None or "Exception" in re.split(r"\W+", names)
                        or "BaseException" in names) and not raises_on:  # fmt: skip
                    broad.append(str(path.relative_to(ROOT)))
    assert sorted(broad) == ["app/jobs/master.py", "app/jobs/runner.py"]


def test_requests_never_touch_the_scheduler_or_a_miner() -> None:
    wrong = [
        f"{where(path, line)}: {name}"
        for room in ("web", "api")
        for path in python_files(f"app/{room}")
        for name, _, line in imports(path)
        if name.split(".")[0] in ("requests", "urllib3", "apscheduler", "socket")
        or name.startswith(("app.clients", "app.jobs"))
    ]
    assert wrong == []


def test_no_module_is_too_long_to_be_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("app", "demo", "benchmarks", "simulator", "tests")
        for path in python_files(folder)
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "manager", "data", "misc", "common"}
    assert [str(path) for path in python_files("app") if path.stem in drawers] == []


def test_templates_hold_no_script_and_no_style() -> None:
    """The content security policy would stop them anyway, silently."""
    inline = re.compile(r"\son[a-z]+\s*=|\sstyle\s*=|<style|javascript:|<script(?![^>]*\ssrc=)|hx-on|\|\s*safe\b", re.I)
    wrong = [
        f"{path.relative_to(ROOT)}: {found.group(0).strip()}"
        for path in sorted((APP / "templates").rglob("*.html"))
        for found in inline.finditer(re.sub(r"\{%.*?%\}", "", path.read_text(), flags=re.S))
    ]
    assert wrong == []


def test_pages_load_nothing_from_elsewhere() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in sorted((APP / "templates").rglob("*.html"))
        if re.search(r"(src|href|action|hx-\w+)\s*=\s*[\"'](https?:)?//", path.read_text())
    ]
    assert wrong == []


def test_every_session_to_miners_is_bound_to_the_configured_networks() -> None:
    """A job's session without `only` could be led outside of them by a row, or by whatever wrote it."""
    wrong = [
        where(path, node.lineno)
        for path in python_files("app")
        if room_of(path) != "clients"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("SweepSession")
        and "only" not in {keyword.arg for keyword in node.keywords}
    ]
    assert wrong == []
