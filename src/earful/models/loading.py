"""From a model's name to a class that is known to fit, before the first session needs it.

`load_model` looks it up and checks it; `LoadedModel.load` loads what all sessions share. Whatever is
wrong is one `ModelLoadError` whose sentence says what to do. `app` calls the first, the engine the second.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from earful.models.extra import RuntimeMissingError
from earful.models.inference import Inference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from earful.models.base import ASRModel, BatchModel

ENTRY_POINT_GROUP = "earful.models"
"""Packages offer models under short names in this group."""
SHIPPED = {
    "mock": "earful.models.mock_batch:MockBatchModel",
    "faster-whisper": "earful.models.faster_whisper:FasterWhisper",
    "moonshine": "earful.models.moonshine:Moonshine",
    "pocketsphinx": "earful.models.pocketsphinx:PocketSphinx",
    "sherpa-onnx": "earful.models.sherpa_onnx:SherpaOnnx",
}
"""Names that come with earful: looking through what is installed costs start-up time, and these need none of it."""


class ModelLoadError(Exception):
    """The model cannot be used; the text is one sentence for the person who starts the server."""


class LoadedModel:
    """A model class that fits the interface, with the options its objects are made with."""

    def __init__(self, name: str, model_class: type[Any], options: Mapping[str, object]) -> None:
        """Take a class that `load_model` has checked."""
        self.name = name
        self._class = model_class
        self.options = dict(options)
        self._first: Any = None

    @property
    def is_batch(self) -> bool:
        """Whether one object hears all sessions, step by step."""
        return hasattr(self._class, "step")

    @property
    def concurrency(self) -> int | None:
        """How many calls or steps may run at once in this worker, None without a limit. Read it after `load`."""
        return self._limit("concurrency", 1 if self.is_batch else None)

    @property
    def max_batch(self) -> int | None:
        """The most items in a step, None without a limit. Read it after `load`."""
        return self._limit("max_batch", None)

    @property
    def inference(self) -> Inference | None:
        """The threads in which a plain model computes, if it says so. Read it after `load`."""
        found = None if self.is_batch else getattr(self._class, "inference", None)
        return found if isinstance(found, Inference) else None

    @property
    def retry_safe(self) -> bool:
        """Whether a call that raised may be made again on the same object."""
        safe = getattr(self._class, "retry_safe", False)
        if isinstance(safe, bool):
            return safe
        raise ModelLoadError(f'The model "{self.name}" needs True or False as its class attribute "retry_safe".')

    async def load(self) -> None:
        """Run the class's own `load`, if it has one, and make the first object to see that it can be made.

        Once per worker. A plain `load` runs in a thread, so that the worker can answer "starting" meanwhile.
        Raises ModelLoadError for whatever the model raises.
        """
        load = getattr(self._class, "load", None)
        try:
            if inspect.iscoroutinefunction(load):
                await load(**self.options)
            elif load is not None:
                await _in_thread(lambda: load(**self.options))
            self._first = self._make()
        except RuntimeMissingError as error:
            raise ModelLoadError(f'The model "{self.name}" could not be loaded: {error}.') from error
        except (Exception, SystemExit) as error:
            raise ModelLoadError(f'The model "{self.name}" could not be loaded: {_words(error)}.') from error

    def create(self) -> ASRModel:
        """Make a model object; raises what its constructor raises."""
        first: ASRModel | None = self._first
        self._first = None
        return self._make() if first is None else first

    def shared(self) -> BatchModel:
        """The one object of a batch model; after `load`."""
        model: BatchModel = self._first
        return model

    def _make(self) -> Any:
        return self._class(**self.options)

    def _limit(self, attribute: str, default: int | None) -> int | None:
        # Of the object where there is one: its constructor may have chosen by its options.
        limit = getattr(self._class if self._first is None else self._first, attribute, default)
        if limit is None or (type(limit) is int and limit >= 1):
            return limit
        raise ModelLoadError(
            f'The model "{self.name}" needs a whole number from 1 as its class attribute "{attribute}".'
        )


def load_model(name: str, options: Mapping[str, object]) -> LoadedModel:
    """Find the class `name` means: one of `SHIPPED`, an entry point's name, or "package.module:Class".

    Modules in the current directory are found too. Makes no object and loads no weights. Raises
    ModelLoadError where there is no such class, it does not fit, or it does not take `options`.
    """
    model_class = _find(name)
    if not inspect.isclass(model_class):
        raise ModelLoadError(f'The model "{name}" is not a class: name the class itself, as "package.module:Class".')
    for method in ("step",) if hasattr(model_class, "step") else ("transcribe_chunk", "finalize"):
        if not callable(getattr(model_class, method, None)):
            raise ModelLoadError(f'The model "{name}" lacks the method "{method}": add it, as earful.models.base says.')
    _check_options(name, model_class, options)
    model = LoadedModel(name, model_class, options)
    _ = (
        model.concurrency,
        model.max_batch,
        model.retry_safe,
    )  # All raise on nonsense; better now than in the first session.
    return model


def _find(name: str) -> object:
    if name in SHIPPED:
        return _attribute(name, *SHIPPED[name].split(":"))
    module, colon, attribute = name.partition(":")
    if not colon:
        return _from_entry_point(name)
    if not module or module.startswith(".") or not attribute:
        raise ModelLoadError(f'"{name}" does not name a model: write it as "package.module:Class".')
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return _attribute(name, module, attribute)


def _from_entry_point(name: str) -> object:
    from importlib.metadata import entry_points

    installed = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if name in installed:
        return _attribute(name, installed[name].module, installed[name].attr)
    known = ", ".join(f'"{known}"' for known in sorted({*SHIPPED, *installed}))
    raise ModelLoadError(f'There is no model "{name}": use {known} or "package.module:Class".')


def _attribute(name: str, module: str, attribute: str) -> object:
    found: object = _module(name, module)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ModelLoadError(f'The model "{name}" was not found: its module "{module}" has no "{attribute}".')
        found = getattr(found, part)
    return found


def _module(name: str, module: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if module == missing or module.startswith(missing + "."):
            advice = "install it, or start where it lies"
        else:
            advice = f'its module "{module}" needs it, so install it'
        raise ModelLoadError(f'The model "{name}" was not found: there is no module "{missing}"; {advice}.') from error
    except (Exception, SystemExit) as error:
        # Importing runs the user's code, which may raise anything.
        raise ModelLoadError(f'The model "{name}" cannot be imported: {_words(error)}.') from error


def _check_options(name: str, model_class: type[Any], options: Mapping[str, object]) -> None:
    try:
        signature = inspect.signature(model_class)
    except ValueError:
        return  # Some classes written in C do not say; making the first object will tell.
    try:
        signature.bind(**options)
    except TypeError as error:
        raise ModelLoadError(
            f'The model "{name}" does not take these model_options: {error}; it takes {signature}.'
        ) from error


async def _in_thread(function: Callable[[], object]) -> None:
    """Run `function` in a thread that never keeps the process from ending, as a pool's would."""
    outcome: Future[BaseException | None] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the one who waits
            outcome.set_result(error)  # As a value: a future refuses StopIteration, and would never be done.
        else:
            outcome.set_result(None)

    Thread(target=run, name="model-load", daemon=True).start()
    error = await asyncio.wrap_future(outcome)
    if error is not None:
        raise error


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
