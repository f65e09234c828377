"""Write the bill of materials: what a build is made of, from the lock files, as CycloneDX JSON.

`python -m tools.bill FILE`.  The same locks give the same bytes: no time and no random number is in it.
"""

import argparse
import base64
import sys
import uuid
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from packageurl import PackageURL

from lastword import __version__
from tools.locks import Locked, node_packages, python_packages

__all__ = ["main", "render"]

# The library's classes lose their types to a decorator.
_bom: Any = import_module("cyclonedx.model.bom")
_component_model: Any = import_module("cyclonedx.model.component")
_license: Any = import_module("cyclonedx.model.license")
_model: Any = import_module("cyclonedx.model")
_output: Any = import_module("cyclonedx.output.json")

_SPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562's for URLs


def render() -> str:
    """Return the bill."""
    bom = _bom.Bom(version=1)
    bom.metadata.timestamp = None
    bom.metadata.component = root = _component_model.Component(
        name="lastword",
        version=__version__,
        type=_component_model.ComponentType.APPLICATION,
        bom_ref="lastword",
        purl=PackageURL("pypi", None, "lastword", __version__),
        licenses=[_license.DisjunctiveLicense(id="Apache-2.0")],
    )
    components = [_python(package) for package in python_packages()]
    components += [_node(package) for package in node_packages()]
    for component in components:
        bom.components.add(component)
    bom.register_dependency(root, components)
    named = "\n".join(sorted(str(component.purl) for component in components))
    bom.serial_number = uuid.uuid5(_SPACE, f"lastword {__version__}\n{named}")
    return str(_output.JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _python(package: Locked) -> Any:
    url = PackageURL("pypi", None, package.name, package.version)
    return _component(package, url)


def _node(package: Locked) -> Any:
    scope, _, name = package.name.rpartition("/")
    hashes = [_model.HashType.from_composite_str(_hexadecimal(digest)) for digest in package.hashes]
    return _component(package, PackageURL("npm", scope or None, name, package.version), hashes)


def _component(package: Locked, url: PackageURL, hashes: "list[Any] | None" = None) -> Any:
    """Return a component; a wheel's digests differ by platform, and say nothing about what was installed."""
    licences = [_license.DisjunctiveLicense(name=package.licence)] if package.licence else []
    return _component_model.Component(
        name=package.name,
        version=package.version,
        type=_component_model.ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        hashes=hashes,
        licenses=licences,
    )


def _hexadecimal(integrity: str) -> str:
    """Return npm's `sha512-<base64>` as `sha512:<hexadecimal>`."""
    algorithm, _, digest = integrity.partition("-")
    return f"{algorithm}:{base64.b64decode(digest).hex()}"


def main(arguments: list[str] | None = None) -> int:
    """Write the bill to a file."""
    parser = argparse.ArgumentParser(description="Write the bill of materials as CycloneDX JSON.")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    options.file.write_text(render(), "utf-8")
    print(f"wrote {options.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
