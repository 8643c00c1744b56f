"""What the rules may say, read from the source: every sentence that a module puts together, with samples in its places.

Left out is what no page shows: docstrings, what is logged, what only a programmer's mistake would raise, the values of
enums, patterns and SQL.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

MOST_FORMS = 200
SAMPLE = "7"
_UNSEEN_ERRORS = {"ValueError", "TypeError", "RuntimeError", "AssertionError", "TimeoutError", "ImportError"}
_NO_WORDS = {"compile", "text"}  # re.compile, sqlalchemy.text
_ENUMS = {"Enum", "StrEnum"}
_LOGGERS = {"log", "logger", "logging"}
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Spoken:
    """One sentence of the source: where, as it is written, and every form that its alternatives give it."""

    where: str
    template: str
    forms: tuple[str, ...]


def spoken(path: Path, root: Path) -> Iterator[Spoken]:
    """Return what the module at `path` says. Single words and what has no letters are no sentences."""
    yield from _Module(ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(root))).sentences()


class _Module:
    def __init__(self, tree: ast.Module, name: str) -> None:
        self._name = name
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, _FUNCTION)}
        self._tree = tree

    def sentences(self) -> Iterator[Spoken]:
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.JoinedStr) and not (
                isinstance(node, ast.Constant) and isinstance(node.value, str)
            ):
                continue
            if self._is_unseen(node):
                continue
            forms = {form.strip(" ,;:") for form in self._forms(node, 0)}
            sentences = sorted(form for form in forms if re.search(r"[A-Za-z]{2}", form) and " " in form)
            if sentences:
                yield Spoken(f"{self._name}:{node.lineno}", ast.unparse(node), tuple(sentences))

    def _is_unseen(self, node: ast.AST) -> bool:
        inner: ast.AST = node
        while (outer := self._parents.get(inner)) is not None:
            if isinstance(outer, ast.JoinedStr | ast.FormattedValue):
                return True  # a part of a sentence that is looked at as a whole
            if isinstance(outer, ast.Expr) and inner is node:
                return True  # a docstring
            if isinstance(outer, ast.Call) and _called(outer) in _UNSEEN_ERRORS | _LOGGERS | _NO_WORDS:
                return True
            if isinstance(outer, ast.ClassDef) and isinstance(inner, ast.Assign) and _is_enum(outer):
                return True
            if isinstance(outer, _FUNCTION) and outer.name in ("__repr__", "__str__"):
                return True
            if isinstance(outer, ast.Subscript | ast.arg) or (isinstance(outer, ast.Dict) and inner in outer.keys):
                return True
            inner = outer
        return False

    def _forms(self, node: ast.AST, depth: int) -> list[str]:
        """Return the texts that an expression may give; `SAMPLE` for what cannot be known here."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else ([] if node.value is None else [SAMPLE])
        if isinstance(node, ast.JoinedStr):
            parts = [self._forms(value, depth) for value in node.values]
            return ["".join(form) for form in product(*parts)][:MOST_FORMS]
        if isinstance(node, ast.FormattedValue):
            return [SAMPLE] if node.format_spec is not None else self._forms(node.value, depth) or [SAMPLE]
        if isinstance(node, ast.IfExp):
            return self._forms(node.body, depth) + self._forms(node.orelse, depth)
        if isinstance(node, ast.BoolOp):
            return [form for value in node.values for form in self._forms(value, depth)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            both = product(self._forms(node.left, depth), self._forms(node.right, depth))
            return [left + right for left, right in both][:MOST_FORMS]
        if depth < 3 and isinstance(node, ast.Name):
            return self._assigned(node, depth + 1) or [SAMPLE]
        if depth < 3 and isinstance(node, ast.Call):
            return self._returned(node, depth + 1) or [SAMPLE]
        return [SAMPLE]

    def _assigned(self, name: ast.Name, depth: int) -> list[str]:
        """Return what the function around gives this name, by plain assignments and by unpacking of a pair."""
        scope: ast.AST | None = name
        while scope is not None and not isinstance(scope, _FUNCTION):
            scope = self._parents.get(scope)
        found: list[str] = []
        for node in ast.walk(scope) if scope is not None else ():
            if isinstance(node, ast.Assign) and not any(child is name for child in ast.walk(node.value)):
                for target, value in _targets(node):
                    if isinstance(target, ast.Name) and target.id == name.id and _is_text(value):
                        found += self._forms(value, depth)
        return found

    def _returned(self, call: ast.Call, depth: int) -> list[str]:
        function = self._functions.get(_called(call))
        if function is None:
            return []
        words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if words:  # a count and its noun
            return [f"1 {words[0]}", f"{SAMPLE} {words[0]}s"]
        values = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
        return [form for value in values if _is_text(value) for form in self._forms(value, depth)]


def _targets(node: ast.Assign) -> Iterator[tuple[ast.AST, ast.AST]]:
    for target in node.targets:
        if not isinstance(target, ast.Tuple):
            yield target, node.value
            continue
        values = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
        for value in values:
            if isinstance(value, ast.Tuple):
                yield from zip(target.elts, value.elts, strict=False)


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.IfExp):
        return _is_text(node.body) or _is_text(node.orelse)
    if isinstance(node, ast.BoolOp):
        return any(_is_text(value) for value in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    return isinstance(node, ast.JoinedStr)


def _is_enum(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id in _ENUMS for base in node.bases)


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = function.value
        return owner.id if isinstance(owner, ast.Name) and owner.id in _LOGGERS else function.attr
    return function.id if isinstance(function, ast.Name) else ""
