"""Finding a model by its name: three kinds of names, and a sentence for everything that can be wrong."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import run_virtual

from earful.models.loading import ENTRY_POINT_GROUP, LoadedModel, ModelLoadError, load_model
from earful.models.mock import MockASRModel
from earful.models.mock_batch import MockBatchModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """

class Fits:
    concurrency = 3
    retry_safe = True
    shared = None
    def __init__(self, size=1, *, colour="red"): self.size, self.colour = size, colour
    async def transcribe_chunk(self, audio): ...
    async def finalize(self): ...
    class Inner:
        async def transcribe_chunk(self, audio): ...
        async def finalize(self): ...

class Plain(Fits):
    @classmethod
    def load(cls, **options): cls.shared = ("plain", options)

class Awaited(Fits):
    @classmethod
    async def load(cls, **options): cls.shared = ("awaited", options)

class Stops(Fits):
    @classmethod
    def load(cls, **options): next(iter(()))

class Quits(Fits):
    @classmethod
    async def load(cls, **options): raise SystemExit("no licence\\nfound.")

class Silent(Fits):
    @classmethod
    async def load(cls, **options): raise ValueError

class Picky(Fits):
    def __init__(self): raise OSError("no such device")

class Deaf:
    async def finalize(self): ...

class Endless:
    async def transcribe_chunk(self, audio): ...

class Together:
    max_batch = 64
    def __init__(self, places=None):
        if places is not None: self.concurrency = places
    async def step(self, batch): ...

class Vast(Together): max_batch = 0
class Still: step = None

class Crowded(Fits): concurrency = 0
class Unsure(Fits): retry_safe = "yes"

def function(): ...
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory with models in it, forgotten afterwards."""
    (tmp_path / "my_models.py").write_text(SOURCE)
    (tmp_path / "my_needy.py").write_text("import a_package_nobody_has")
    (tmp_path / "my_broken.py").write_text("1 / 0")
    (tmp_path / "my_quitting.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield tmp_path
    for module in ("my_models", "my_needy", "my_broken", "my_quitting"):
        sys.modules.pop(module, None)


def sentence(name: str, **options: object) -> str:
    """The sentence for which `name` is refused."""
    with pytest.raises(ModelLoadError) as caught:
        load_model(name, options)
    return str(caught.value)


def test_mock_is_built_in() -> None:
    """The mock needs nothing, hears all sessions at once, has no limit and is not retried."""
    model = load_model("mock", {"latency_ms": 5})
    run_virtual(model.load())
    assert ("mock", True, None, None) == (model.name, model.is_batch, model.concurrency, model.max_batch)
    assert not model.retry_safe
    assert isinstance(model.shared(), MockBatchModel)


@pytest.mark.usefixtures("directory")
def test_a_class_with_a_step_is_a_batch_model() -> None:
    """One object, one step at a time unless its constructor chose otherwise."""
    model = load_model("my_models:Together", {})
    run_virtual(model.load())
    assert (True, 1, 64) == (model.is_batch, model.concurrency, model.max_batch)
    assert model.shared() is model.shared()
    chosen = load_model("my_models:Together", {"places": 2})
    run_virtual(chosen.load())
    assert 2 == chosen.concurrency
    assert not load_model("my_models:Fits", {}).is_batch


@pytest.mark.usefixtures("directory")
def test_a_class_in_the_current_directory_is_found() -> None:
    """Its attributes and options are taken over, and looking again finds it again."""
    model = load_model("my_models:Fits", {"size": 7, "colour": "blue"})
    made = model.create()
    assert (3, True, 7, "blue") == (model.concurrency, model.retry_safe, made.size, made.colour)  # type: ignore[attr-defined]
    assert "Inner" == type(load_model("my_models:Fits.Inner", {}).create()).__name__


def test_an_entry_point_is_found(directory: Path) -> None:
    """What a package installs in the group has a name of its own."""
    info = directory / "extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nfits = my_models:Fits\n")
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    assert "fits" == load_model("fits", {}).name
    known = '"faster-whisper", "fits", "mock", "moonshine", "pocketsphinx", "sherpa-onnx"'
    assert f'There is no model "fit": use {known} or "package.module:Class".' == sentence("fit")


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "nothing",
            (
                'There is no model "nothing": use "faster-whisper", "mock", "moonshine", "pocketsphinx", "sherpa-onnx" '
                'or "package.module:Class".'
            ),
        ),
        (":Class", '":Class" does not name a model: write it as "package.module:Class".'),
        ("my_models:", '"my_models:" does not name a model: write it as "package.module:Class".'),
        (".my_models:Fits", '".my_models:Fits" does not name a model: write it as "package.module:Class".'),
        (
            "no_such.thing:Class",
            (
                'The model "no_such.thing:Class" was not found: there is no module "no_such"; '
                "install it, or start where it lies."
            ),
        ),
        (
            "my_needy:Class",
            (
                'The model "my_needy:Class" was not found: there is no module "a_package_nobody_has"; '
                'its module "my_needy" needs it, so install it.'
            ),
        ),
        ("my_broken:Class", 'The model "my_broken:Class" cannot be imported: ZeroDivisionError: division by zero.'),
        ("my_quitting:Class", 'The model "my_quitting:Class" cannot be imported: SystemExit: 3.'),
        ("my_models:Nope", 'The model "my_models:Nope" was not found: its module "my_models" has no "Nope".'),
        (
            "my_models:function",
            'The model "my_models:function" is not a class: name the class itself, as "package.module:Class".',
        ),
        (
            "my_models:Deaf",
            'The model "my_models:Deaf" lacks the method "transcribe_chunk": add it, as earful.models.base says.',
        ),
        (
            "my_models:Endless",
            'The model "my_models:Endless" lacks the method "finalize": add it, as earful.models.base says.',
        ),
        (
            "my_models:Crowded",
            'The model "my_models:Crowded" needs a whole number from 1 as its class attribute "concurrency".',
        ),
        (
            "my_models:Vast",
            'The model "my_models:Vast" needs a whole number from 1 as its class attribute "max_batch".',
        ),
        (
            "my_models:Still",
            'The model "my_models:Still" lacks the method "step": add it, as earful.models.base says.',
        ),
        ("my_models:Unsure", 'The model "my_models:Unsure" needs True or False as its class attribute "retry_safe".'),
    ],
)
def test_what_is_wrong_is_one_sentence(name: str, expected: str) -> None:
    """It names the model, what is wrong, and what to do."""
    assert expected == sentence(name)


@pytest.mark.usefixtures("directory")
def test_options_must_fit_the_constructor() -> None:
    """The sentence says which do not, and what would."""
    assert (
        'The model "my_models:Fits" does not take these model_options: '
        "got an unexpected keyword argument 'sise'; it takes (size=1, *, colour='red')."
    ) == sentence("my_models:Fits", sise=3)


def test_a_class_that_hides_its_constructor_is_not_asked() -> None:
    """Some classes written in C have no signature; making the first object tells."""

    class Hidden(dict[str, str]):
        async def transcribe_chunk(self, audio: bytes) -> None: ...

        async def finalize(self) -> None: ...

    sys.modules[__name__].Hidden = Hidden  # type: ignore[attr-defined]
    assert f"{__name__}:Hidden" == load_model(f"{__name__}:Hidden", {"x": "y"}).name


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(("name", "kind"), [("Plain", "plain"), ("Awaited", "awaited")])
def test_load_runs_with_the_options(name: str, kind: str) -> None:
    """A class's own `load`, plain or async, gets what the constructor gets."""
    model = load_model(f"my_models:{name}", {"size": 2})
    run_virtual(model.load())
    assert (kind, {"size": 2}) == model.create().shared  # type: ignore[attr-defined]


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Stops", "RuntimeError: coroutine raised StopIteration"),
        ("Quits", "SystemExit: no licence found"),
        ("Silent", "ValueError"),
        ("Picky", "OSError: no such device"),
    ],
)
def test_a_load_that_fails_says_so(name: str, words: str) -> None:
    """Whatever `load` or the constructor raises is told in one line."""
    model = load_model(f"my_models:{name}", {})
    with pytest.raises(ModelLoadError) as caught:
        run_virtual(model.load())
    assert f'The model "my_models:{name}" could not be loaded: {words}.' == str(caught.value)


def test_the_first_object_is_made_once() -> None:
    """What `load` made to try is the first that `create` gives out; then come new ones."""
    made: list[object] = []

    class Counted(MockASRModel):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    model = LoadedModel("counted", Counted, {})
    run_virtual(model.load())
    assert [model.create(), model.create()] == made
