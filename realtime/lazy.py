"""Names that a package exports, imported when they are first used.

Django imports the package of an app before its app registry can load models, so a package that
exports what uses models can't import it.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any


def exports(package: str, names: Sequence[str], modules: Sequence[str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package. https://peps.python.org/pep-0562/

    package: its `__name__`.
    names: what it exports, its `__all__`.
    modules: those below it that have these names; they are looked through in this order.

    Returns a function that raises AttributeError for any other name.
    """

    def attribute(name: str) -> Any:
        for module in modules if name in names else ():
            if hasattr(home := import_module(f".{module}", package), name):
                found = getattr(home, name)
                # Kept in the package: without this a single checkout took 4 % longer.
                setattr(sys.modules[package], name, found)
                return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return attribute
