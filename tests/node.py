"""Node and the packages that `make node` installs, for the tests that speak to the JavaScript Socket.IO."""

from __future__ import annotations

import shutil

import pytest

from tests.course import ROOT

NODE = shutil.which("node") or shutil.which("nodejs")  # Debian's older name
PACKAGES = ROOT / "node_modules"  # a script in the repository, or one run with cwd=ROOT, finds them by name


def needs_node(*packages: str) -> pytest.MarkDecorator:
    """Skip a test where Node or one of these packages is absent, and say how to get them."""
    missing = [] if NODE else ["node"]
    missing += [name for name in packages if not (PACKAGES / name / "package.json").is_file()]
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)} here: `make node` installs the packages")
