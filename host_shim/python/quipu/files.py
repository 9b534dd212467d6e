"""A file that is replaced in one step."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from typing import Any


def replace_json(path: pathlib.Path, value: Any) -> None:
    """In one step: a temporary file beside it, synced, renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(value, out, indent=2, ensure_ascii=False)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
