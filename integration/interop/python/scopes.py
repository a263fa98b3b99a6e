"""Finds the scopes of Python source files, by their syntax trees.

A scope is a dict with the keys of symdb.v1.Scope. What is unknown is left out,
except a symbol's type, which Python does not have: it is None.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

TO_THE_END = 2**31 - 1
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
METHOD_TYPES = ("staticmethod", "classmethod", "property")


def of_standard_library() -> Iterator[dict]:
    """The modules of the standard library, tests apart, in a fixed order."""
    root = Path(ast.__file__).parent
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).with_suffix("")
        if inside.parts[0] in sys.stdlib_module_names and "test" not in str(inside):
            name = ".".join(part for part in inside.parts if part != "__init__")
            yield from of_file(path, name)


def of_file(path: Path, name: str) -> Iterator[dict]:
    """The module in a file; nothing where Python itself could not read it."""
    source = path.read_bytes()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    yield scope(
        "MODULE", name, 1, TO_THE_END, str(path), tree.body,
        language_specifics={"file_hash": git_hash(source)},
        symbols=[symbol(n, "STATIC_FIELD", 0) for n in assigned(tree.body)],
    )


def scope(kind: str, name: str, start: int, end: int, path: str, body: list, **more) -> dict:
    found = {
        "scope_type": kind, "name": name, "source_file": path,
        "start_line": start, "end_line": end, **more,
        "scopes": [inner for node in body for inner in scopes_in(node, kind, path)],
    }
    return {key: value for key, value in found.items() if value not in ([], {})}


def scopes_in(node: ast.AST, outer: str, path: str) -> Iterator[dict]:
    """The classes and functions at or below a statement, the outermost ones."""
    if isinstance(node, ast.ClassDef):
        yield of_class(node, path)
    elif isinstance(node, FUNCTIONS):
        yield of_function(node, outer, path)
    else:
        for child in ast.iter_child_nodes(node):
            yield from scopes_in(child, outer, path)


def of_class(node: ast.ClassDef, path: str) -> dict:
    fields = [symbol(n, "STATIC_FIELD", 0) for n in assigned(node.body)]
    fields += [symbol(n, "FIELD", 0) for n in attributes(node)]
    bases = [ast.unparse(base) for base in node.bases]
    return scope(
        "CLASS", node.name, node.lineno, node.end_lineno, path, node.body,
        language_specifics={"super_classes": bases} if bases else {}, symbols=fields,
    )


def of_function(node: ast.FunctionDef | ast.AsyncFunctionDef, outer: str, path: str) -> dict:
    args = node.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg) if a]
    symbols = [symbol(n, "ARG", node.lineno) for n in names]
    symbols += [symbol(n, "LOCAL", line) for n, line in assigned(node.body).items() if n not in names]
    specifics = {"function_type": function_type(node)}
    if outer == "CLASS":
        decorators = [ast.unparse(d) for d in node.decorator_list]
        specifics["method_type"] = next((d for d in decorators if d in METHOD_TYPES), "instance")
    if node.returns:
        specifics["return_type"] = ast.unparse(node.returns)
    return scope(
        "CLOSURE" if outer in ("FUNCTION", "CLOSURE") else "FUNCTION",
        node.name, node.lineno, node.end_lineno, path, node.body,
        has_injectible_lines=True, injectible_lines=ranges(statement_lines(node.body)),
        language_specifics=specifics, symbols=symbols,
    )


def function_type(node: ast.AST) -> str:
    generates = any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in own_nodes(node.body))
    if isinstance(node, ast.AsyncFunctionDef):
        return "async_generator" if generates else "coroutine"
    return "generator" if generates else "function"


def symbol(name: str, kind: str, line: int) -> dict:
    return {"name": name, "type": None, "symbol_type": kind, "line": line}


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes in a body, in source order, but not what is in inner scopes."""
    for node in body:
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            yield from own_nodes(ast.iter_child_nodes(node))


def assigned(body: list) -> dict[str, int]:
    """Names that a body assigns to, with the line of the first assignment."""
    names: dict[str, int] = {}
    for node in own_nodes(body):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.id, node.lineno)
    return names


def attributes(node: ast.ClassDef) -> list[str]:
    """Attributes that the class's methods set on self."""
    found = {
        n.attr: None for n in ast.walk(node)
        if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
        and isinstance(n.value, ast.Name) and n.value.id == "self"
    }
    return list(found)


def statement_lines(body: list) -> list[int]:
    return sorted({n.lineno for n in own_nodes(body) if isinstance(n, ast.stmt)})


def ranges(lines: list[int]) -> list[dict]:
    """Lines in rising order, as ranges that include both ends."""
    found: list[dict] = []
    for line in lines:
        if found and found[-1]["end"] == line - 1:
            found[-1]["end"] = line
        else:
            found.append({"start": line, "end": line})
    return found


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
