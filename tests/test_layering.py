"""Arrows point down only: adapters and cli -> guard -> runtime, stores, feeds -> core -> errors, config.

Imports are read from the source, also those inside functions and under TYPE_CHECKING: a type is a dependency too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "tokenguard"
FACADE = "tokenguard"  # the names that tokenguard/__init__.py exports

BELOW_CORE = {"errors", "_checks", "claim_names", "config", "introspection", "logout", "possession", "proxies"}
BELOW_GUARD = BELOW_CORE | {"resolver", "core", "runtime", "stores", "feeds"}
SHARED_BY_ADAPTERS = {"_app_settings", "_backchannel", "_forms", "_paths", "_raising"}
BELOW_ADAPTERS = BELOW_GUARD | {"guard", "providers", "settings", *SHARED_BY_ADAPTERS, FACADE}
# An adapter for a framework that stands on ASGI or WSGI may share that interface's pieces; else they are strangers.
ADAPTERS: dict[str, set[str]] = {
    "asgi": set(),
    "wsgi": set(),
    "starlette": {"asgi"},
    "fastapi": {"asgi", "starlette"},
    "mcp": {"asgi"},
    "flask": {"wsgi"},
    "django": {"asgi", "wsgi"},
    "grpc": set(),
}
# What each part of the house may import of the others. A part that is not here has no place in the plan yet.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "_checks": {"errors"},
    "introspection": {"errors", "_checks"},
    "logout": {"errors", "_checks"},
    "claim_names": {"errors", "_checks"},
    "proxies": {"errors", "_checks"},
    "config": {"errors", "_checks", "claim_names", "introspection", "logout"},
    "possession": {"errors", "_checks", "config"},
    "resolver": {"errors", "_checks", "config"},
    "core": BELOW_CORE,
    "runtime": BELOW_CORE | {"resolver", "core"},
    "stores": BELOW_CORE | {"core", "runtime"},
    "feeds": BELOW_CORE | {"core"},
    "providers": BELOW_CORE,
    "settings": BELOW_CORE | {"core", "providers", "runtime", "stores"},
    "guard": BELOW_GUARD | {"settings"},
    "_raising": {"errors"},
    "_backchannel": BELOW_GUARD | {"guard"},
    "_forms": BELOW_CORE | {"core"},
    "_paths": BELOW_CORE,
    "_app_settings": BELOW_GUARD | {"guard", "settings"},
    FACADE: BELOW_GUARD | {"guard", "providers"},
    **{adapter: BELOW_ADAPTERS | shared for adapter, shared in ADAPTERS.items()},
    "testing": BELOW_ADAPTERS,
    "commands": BELOW_ADAPTERS | set(ADAPTERS) | {"testing"},
    "cli": BELOW_ADAPTERS | set(ADAPTERS) | {"testing", "commands"},
}

# core/ computes. A list of what it may use, since a list of clocks, sockets, threads and frameworks is never complete.
CORE_MAY_IMPORT = {
    *("__future__", "abc", "collections", "contextlib", "dataclasses", "enum", "functools", "itertools", "operator"),
    *("types", "typing", "base64", "binascii", "hashlib", "hmac", "ipaddress", "json", "math", "re", "string"),
    *("http.HTTPStatus", "sys.intern", "urllib.parse", "cryptography", "msgspec"),
}
CORE_MUST_NOT_CALL = {"open", "print", "input", "eval", "exec", "__import__", "breakpoint"}

# What `import tokenguard` alone must not load: a user of one framework pays for no other. (msgspec is not here: who
# installs the extra "fast" wants it used.)
OPTIONAL = {
    *("fastapi", "starlette", "flask", "werkzeug", "django", "rest_framework", "asgiref", "uvicorn", "gunicorn"),
    *("redis", "typer", "click", "rich", "pydantic", "pytest", "hypothesis", "trustme"),
}


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a module imports; `from a import b` gives `a.b`."""
    inside = path.relative_to(package.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else ()
            for alias in node.names:
                yield node.lineno, ".".join((*base, *([node.module] if node.module else []), alias.name))


def part_of(dotted: str, package: Path) -> str:
    """The part of the house that a dotted name of the project lies in."""
    name = dotted.split(".")[1] if "." in dotted else ""
    return name if (package / name).is_dir() or (package / f"{name}.py").is_file() else FACADE


def upward_imports(package: Path) -> Iterator[str]:
    """Every import that points up or sideways, and every module that has no place in the plan."""
    for path in sorted(package.rglob("*.py")):
        first = path.relative_to(package).parts[0].removesuffix(".py")
        part = FACADE if first == "__init__" else first
        where = path.relative_to(package)
        if part not in MAY_IMPORT:
            yield f"{where}: {part} has no place in MAY_IMPORT"
            continue
        for line, dotted in imports(path, package):
            if dotted.split(".")[0] != package.name:
                continue
            target = part_of(dotted, package)
            if target != part and target not in MAY_IMPORT[part]:
                yield f"{where}:{line}: {part} imports {target} ({dotted})"


def impurities(package: Path) -> Iterator[str]:
    """Everything in core/ that reaches for the outside world."""
    for path in sorted((package / "core").rglob("*.py")):
        where = path.relative_to(package)
        for line, dotted in imports(path, package):
            allowed = any(dotted == name or dotted.startswith(f"{name}.") for name in CORE_MAY_IMPORT)
            if not allowed and dotted.split(".")[0] != package.name:
                yield f"{where}:{line}: core imports {dotted}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CORE_MUST_NOT_CALL:
                yield f"{where}:{node.lineno}: core calls {node.func.id}"


def modules_loaded_by(statement: str) -> set[str]:
    """Top-level names in sys.modules after one statement in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    return set(ran.stdout.split())


def test_arrows_point_down_only() -> None:
    """No module of the package imports one above it or beside it."""
    assert (PACKAGE / "errors.py").is_file()
    assert list(upward_imports(PACKAGE)) == []


def test_core_only_computes() -> None:
    """core/ uses no clock, socket, thread, framework, log or file."""
    assert list((PACKAGE / "core").glob("*.py"))
    assert list(impurities(PACKAGE)) == []


def test_importing_the_package_loads_no_framework_store_or_command_line() -> None:
    """`import tokenguard` costs a Flask user no FastAPI, and nobody a command line of ours."""
    loaded = modules_loaded_by("import tokenguard")
    assert "tokenguard" in loaded
    # httpx loads its own command line, with click and rich, where they are installed
    by_httpx = modules_loaded_by("import httpx")
    assert (loaded - by_httpx) & OPTIONAL == set()


def test_what_an_import_loads_is_seen() -> None:
    """The check above would notice a framework."""
    assert {"flask", "werkzeug"} <= modules_loaded_by("import flask") & OPTIONAL


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small package laid out as ours is, without a fault."""
    package = tmp_path / "tokenguard"
    for folder in ("core", "runtime", "django", "testing"):
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from tokenguard.guard import TokenGuard\n")
    (package / "errors.py").write_text("")
    (package / "config.py").write_text("from tokenguard.errors import ConfigurationError\n")
    (package / "core" / "jws.py").write_text("import urllib.parse\nfrom tokenguard import errors\nfrom . import keys\n")
    (package / "core" / "keys.py").write_text("from ..config import Issuer\nimport cryptography\n")
    (package / "runtime" / "drivers.py").write_text("import threading\nfrom tokenguard.core.jws import parse\n")
    (package / "guard.py").write_text("import time\nfrom tokenguard.runtime import drivers\n")
    (package / "asgi.py").write_text("from tokenguard import TokenGuard\n")
    (package / "fastapi.py").write_text("import fastapi\nfrom tokenguard.asgi import Middleware\n")
    (package / "django" / "drf.py").write_text("from . import settings\n")
    (package / "cli.py").write_text("from tokenguard.testing import LocalIssuer\n")
    return package


def test_a_house_in_order_has_no_faults(house: Path) -> None:
    """The rules allow what the plan allows."""
    assert [*upward_imports(house), *impurities(house)] == []


@pytest.mark.parametrize(
    ("module", "code", "complaint"),
    [
        ("core/jws.py", "from tokenguard.runtime import http", "core imports runtime"),
        ("core/jws.py", "def f():\n    from tokenguard.guard import TokenGuard", "core imports guard"),
        ("core/jws.py", "if TYPE_CHECKING:\n    from ..runtime.drivers import run", "core imports runtime"),
        ("core/jws.py", "from .. import guard", "core imports guard"),
        ("core/jws.py", "from tokenguard import TokenGuard", "core imports tokenguard"),
        ("core/jws.py", "import tokenguard.testing", "core imports testing"),
        ("errors.py", "from .config import Issuer", "errors imports config"),
        ("config.py", "from tokenguard.core.jws import parse", "config imports core"),
        ("runtime/drivers.py", "from tokenguard import guard", "runtime imports guard"),
        ("runtime/drivers.py", "from tokenguard.asgi import Middleware", "runtime imports asgi"),
        ("guard.py", "from tokenguard.testing import LocalIssuer", "guard imports testing"),
        ("guard.py", "from tokenguard.fastapi import Protect", "guard imports fastapi"),
        ("fastapi.py", "from tokenguard.django import drf", "fastapi imports django"),
        ("asgi.py", "from tokenguard.fastapi import Protect", "asgi imports fastapi"),
        ("helpers.py", "", "helpers has no place in MAY_IMPORT"),
    ],
)
def test_an_arrow_that_points_up_or_sideways_is_seen(house: Path, module: str, code: str, complaint: str) -> None:
    """One import in the wrong direction gives one fault that names both ends."""
    (house / module).write_text(code)
    (fault,) = upward_imports(house)
    assert complaint in fault


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "from datetime import datetime",
        "import socket",
        "import threading",
        "import asyncio",
        "from concurrent import futures",
        "import logging",
        "import os",
        "import secrets",
        "from http import client",
        "import urllib.request",
        "from urllib import request",
        "from jwt import PyJWKClient",
        "import httpx",
        "import flask",
        "def f():\n    import time",
        "print('here')",
        "open('keys.json')",
        "__import__('time')",
    ],
)
def test_a_core_that_reaches_outside_is_seen(house: Path, code: str) -> None:
    """Clock, socket, thread, framework, log, randomness and files each give one fault."""
    (house / "core" / "jws.py").write_text(code)
    (fault,) = impurities(house)
    assert fault.startswith("core/jws.py:")
