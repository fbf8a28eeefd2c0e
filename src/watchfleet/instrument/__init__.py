"""What an application calls to report to the fleet: `watchfleet.instrument(app)`.

The call and this package share a name, and importing any module of the package binds that name to the
package, whatever `watchfleet` bound it to before. So the package itself is what is called: its module object
gets a class with `__call__`, which the language provides for (Data model, "Customizing module attribute
access").
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from watchfleet.instrument.entry import instrument

if TYPE_CHECKING:
    from watchfleet.instrument.client import Client

__all__ = ["instrument"]


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> "Client":
        return instrument(*args, **kwargs)


_CallableModule.__call__.__doc__ = instrument.__doc__
sys.modules[__name__].__class__ = _CallableModule
