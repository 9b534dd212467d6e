"""Builds the wheel: `make` first, then setuptools, with libquipu.so and the plugins inside. pip calls it by pyproject.toml."""

import os
import pathlib
import shutil
import subprocess
import sysconfig

from setuptools import build_meta
from setuptools.build_meta import get_requires_for_build_sdist, get_requires_for_build_wheel  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIB = ROOT / "host_shim" / "python" / "quipu" / "lib"


def _copy_libraries():
    """What was built takes its place in the package; what was there before goes."""
    subprocess.run(["make", "-C", str(ROOT), "-j", str(os.cpu_count() or 1), "all"], check=True)
    shutil.rmtree(LIB, ignore_errors=True)
    (LIB / "plugins").mkdir(parents=True)
    shutil.copy2(ROOT / "build" / "libquipu.so", LIB)
    for plugin in sorted((ROOT / "build" / "plugins").glob("*.so")):
        shutil.copy2(plugin, LIB / "plugins")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    _copy_libraries()
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    settings = {**(config_settings or {}), "--build-option": ["--plat-name=" + platform]}
    try:
        return build_meta.build_wheel(wheel_directory, settings, metadata_directory)
    finally:
        shutil.rmtree(LIB, ignore_errors=True)
        for left in (ROOT / "build" / "python", LIB.parents[1] / "quipu.egg-info"):
            shutil.rmtree(left, ignore_errors=True)


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("an sdist would lack the C sources: build a wheel, or install from a clone of the repository")
