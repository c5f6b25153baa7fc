"""The Python reference, docs/python.md: signatures and docstrings of what applications, models and doors import.

Guarantees every public name of `earful.client`, what models are made of and what an authenticator of one's own needs,
in the words of the code.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ForwardRef, get_args

from earful import client
from earful.access.authenticator import Authenticator, QuickAuthenticator
from earful.access.credential import credential_of
from earful.errors import EarfulError
from earful.models import base, types
from earful.service.admission import Admission, Caller, TenantLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType

_LONGEST = 120

HEAD = """# Python reference

What applications import from `earful.client`, models from `earful.models` and an authenticator of your own from where
each name says, in the words of the code; made by `make reference`. How the client behaves when connections break says
[the Python client](client.md), how a model is brought [bring your model](models.md), and what an authenticator does
[who may come in](access.md#something-of-your-own). A name that begins with `_` is nobody's but ours.
"""
OF_MODELS = (base.ASRModel, base.BatchModel, types.TranscriptResult, types.Word, types.SessionInfo, types.Step)
OF_AUTHENTICATORS = (Authenticator, QuickAuthenticator, Caller, credential_of, Admission, TenantLimits, EarfulError)


def page() -> str:
    """The page's text."""
    ours = [_entry(name, getattr(client, name)) for name in client.__all__]
    theirs = [_entry(kind.__name__, kind) for kind in OF_MODELS]
    doors = [_entry(item.__name__, item, _imported(item)) for item in OF_AUTHENTICATORS]
    sections = ["## earful.client\n", *ours, "## earful.models\n", *theirs, "## Authenticators\n", *doors]
    return "\n".join([HEAD, *sections]).rstrip() + "\n"


def _imported(item: Any) -> str:
    return f"```python\nfrom {item.__module__} import {item.__name__}\n```"


def _entry(name: str, item: Any, origin: str = "") -> str:
    if inspect.isclass(item):
        parts = [_doc(item), _fields(item), *_methods(item)]
    elif inspect.isfunction(item):
        parts = [f"```python\n{_head(item)}: ...\n```", _doc(item)]
    else:
        parts = [f"One of {', '.join(f'`{kind.__name__}`' for kind in get_args(item))}."]
    return "\n\n".join([f"### {name}", *filter(None, [origin, *parts])]) + "\n"


def _fields(item: type) -> str:
    """A table of what a value, or a choice of options, is made of, and what each means where that is written down."""
    kinds = {name: kind for name, kind in inspect.get_annotations(item).items() if not name.startswith("_")}
    if not kinds:
        return ""
    meanings = _meanings(item)
    heads, line = ["field", "type"], ["---"] * 2
    rows = [[f"`{name}`", f"`{_plain(kind).replace(' | ', '` or `')}`"] for name, kind in kinds.items()]
    if meanings:
        heads.append("meaning")
        line.append("---")
        rows = [[*row, meanings.get(name, "")] for name, row in zip(kinds, rows, strict=True)]
    return "\n".join([_row(heads), f"|{'|'.join(line)}|", *map(_row, rows)])


def _row(cells: list[str]) -> str:
    """A line of a table; an empty cell is one space."""
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"


def _meanings(item: type) -> dict[str, str]:
    """What the strings behind the fields in its source say."""
    statements = [
        statement
        for kind in ast.parse(textwrap.dedent(inspect.getsource(item))).body
        if isinstance(kind, ast.ClassDef)
        for statement in kind.body
    ]
    return {
        field.target.id: " ".join(said.value.value.split())
        for field, said in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
        and isinstance(said.value.value, str)
    }


def _methods(item: type) -> Iterator[str]:
    """Its own public methods and properties, and how it is built where that is written down."""
    for name, member in item.__dict__.items():
        function = member.fget if isinstance(member, property) else member
        if not inspect.isfunction(function) or not function.__doc__ or not _is_public(name):
            continue
        head = (
            f"{name}: {_plain(function.__annotations__['return'])}" if isinstance(member, property) else _head(member)
        )
        yield f"```python\n{head}{'' if isinstance(member, property) else ': ...'}\n```\n\n{_doc(function)}"


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in {"__init__", "__call__"}


def _head(function: FunctionType) -> str:
    """`def` and a function's signature, a parameter a line where it is long."""
    signature = inspect.signature(function)
    begin = f"{'async ' if inspect.iscoroutinefunction(function) else ''}def {function.__name__}"
    line = f"{begin}{_plain(signature)}"
    if len(line) <= _LONGEST:
        return line
    parameters = "".join(f"    {_plain(parameter)},\n" for parameter in signature.parameters.values())
    return f"{begin}(\n{parameters}) -> {_plain(signature.return_annotation)}"


def _plain(annotation: object) -> str:
    """As it stands in the source, where annotations are text."""
    text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else str(annotation)
    return text.replace("'", "")


def _doc(item: object) -> str:
    """Its docstring, as long as a line may be."""
    paragraphs = (inspect.getdoc(item) or "").split("\n\n")
    return "\n\n".join(part if part.startswith("* ") else _wrapped(part) for part in paragraphs)


def _wrapped(prose: str) -> str:
    return textwrap.fill(" ".join(prose.split()), _LONGEST, break_on_hyphens=False)
