"""The values of parameters, as texts of the language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Parameters = Mapping[str, str | float | Path]


def read_parameters(parameters: Parameters | None) -> dict[str, str]:
    """The values as texts of the language, by name. Raises TypeError where they are no mapping from names."""
    if not isinstance(parameters or {}, Mapping) or not all(isinstance(name, str) for name in parameters or ()):
        shown = repr(parameters)[:80]
        raise TypeError(f"parameters are a dictionary of names and values, such as {{'budget': 3}}, and not {shown}")
    return {name: _as_text(value) for name, value in sorted((parameters or {}).items())}


def _as_text(value: Any) -> str:
    """A number or truth value as the language writes it; a path or a text as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return repr(int(value))
    return str(value)
