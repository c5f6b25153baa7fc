"""The Python reference, docs/python.md: signatures and docstrings of what applications and models import.

Guarantees every public name of `earful.client` and what models are made of, in the words of the code.
"""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any, ForwardRef, get_args

from earful import client
from earful.models import base, types

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType

_LONGEST = 120

HEAD = """# Python reference

What applications import from `earful.client` and models from `earful.models`, in the words of the code; made by
`make reference`. How the client behaves when connections break says [the Python client](client.md), how a model is
brought [bring your model](models.md). A name that begins with `_` is nobody's but ours.
"""
OF_MODELS = (base.ASRModel, base.BatchModel, types.TranscriptResult, types.Word, types.SessionInfo, types.Step)


def page() -> str:
    """The page's text."""
    ours = [_entry(name, getattr(client, name)) for name in client.__all__]
    theirs = [_entry(kind.__name__, kind) for kind in OF_MODELS]
    return "\n".join([HEAD, "## earful.client\n", *ours, "## earful.models\n", *theirs]).rstrip() + "\n"


def _entry(name: str, item: Any) -> str:
    if inspect.isclass(item):
        parts = [_doc(item), _fields(item), *_methods(item)]
    elif inspect.isfunction(item):
        parts = [f"```python\n{_head(item)}: ...\n```", _doc(item)]
    else:
        parts = [f"One of {', '.join(f'`{kind.__name__}`' for kind in get_args(item))}."]
    return "\n\n".join([f"### {name}", *filter(None, parts)]) + "\n"


def _fields(item: type) -> str:
    """A table of what a value, or a choice of options, is made of."""
    annotated = inspect.get_annotations(item)
    rows = [
        f"| `{name}` | `{_plain(kind).replace(' | ', '` or `')}` |"
        for name, kind in annotated.items()
        if not name.startswith("_")
    ]
    return "\n".join(["| field | type |", "|---|---|", *rows]) if rows else ""


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
    return not name.startswith("_") or name == "__init__"


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
