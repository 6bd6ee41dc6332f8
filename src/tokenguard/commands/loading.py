"""An application named like `package.module:app`, as servers name them."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from tokenguard.errors import ConfigurationError


def load_app(name: str) -> Any:
    """The object; modules are also found in the current directory. Raises `ConfigurationError` if it is not there."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"{name} must be MODULE:APP, such as examples.fastapi_orders:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as missing:
        # what the module itself lacks is named too
        raise ConfigurationError(f"{name} can't be loaded from {here}: no module {missing.name}") from None
    if not hasattr(module, attribute):
        raise ConfigurationError(f"{module_name} has no {attribute}")
    return getattr(module, attribute)
