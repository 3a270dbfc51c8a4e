"""How many lines of code something has: what the claim "less protocol code of your own" is counted with.

A line counts when code stands on it: no blank line, no comment, no docstring. It is a measure of how much there is to
read, and of nothing else.
"""

from __future__ import annotations

import ast
import io
import tokenize
from importlib.metadata import PackageNotFoundError, files

from midspan.refusal import Refusal, need

NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
NO_CODE |= {tokenize.ENCODING, tokenize.ENDMARKER}


def code_lines(source: str) -> int:
    """The lines of `source` with code on them.

    Raises:
        Refusal: it is no Python text.
    """
    need(isinstance(source, str), "Python source as text", source, "Pass inspect.getsource(...) or a cell's text")
    try:
        tree = compile(source, "<source>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        raise Refusal("Python source", source, f"Python says: {error}") from error
    spans = [range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in NO_CODE]
    return len({line for span in spans for line in span} - _docstrings(tree))


def library_lines(*distributions: str) -> int:
    """The lines of code in the `.py` files of installed distributions (`python-socketio`), all of them.

    Raises:
        Refusal: one of them is not installed.
    """
    return sum(code_lines(source) for name in distributions for source in _sources(name))


def _sources(distribution: str) -> list[str]:
    try:
        listed = files(distribution) or []
    except PackageNotFoundError as error:
        raise Refusal("an installed distribution", distribution, "Name it as pip does") from error
    return [path.read_text(encoding="utf-8") for path in listed if path.suffix == ".py"]


def _docstrings(tree: ast.AST) -> set[int]:
    """The lines of strings that stand as a statement of their own."""
    alone = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return {line for node in alone for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
