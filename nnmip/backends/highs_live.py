"""Live solutions, bounds and interrupts from HiGHS while python-mip runs it.

python-mip declares the callback structures of an older HiGHS, whose layout is wrong for a newer library, so they are
not used. HiGHS has an accessor that finds an item of the callback data by its name, whatever the layout; this module
declares that accessor and the two functions that install a callback, against the library that python-mip has loaded.
Of the structure that goes back to HiGHS only the first field is touched, whose place HiGHS promises to keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.backends.channel import Channel
from nnmip.records import dataclass

if TYPE_CHECKING:
    import mip

_SIMPLEX_INTERRUPT, _IPM_INTERRUPT, _IMPROVING_SOLUTION, _MIP_LOGGING, _MIP_INTERRUPT = 1, 2, 4, 5, 6
_INTERRUPTS = (_SIMPLEX_INTERRUPT, _IPM_INTERRUPT, _MIP_INTERRUPT)

_DECLARATIONS = """
    typedef void (*live_callback)(int kind, const char* message, const void* data_out, void* data_in, void* user);
    int Highs_setCallback(void* highs, live_callback callback, void* user);
    int Highs_startCallback(void* highs, const int kind);
    const void* Highs_getCallbackDataOutItem(const void* data_out, const char* name);
"""


@dataclass(frozen=True, slots=True)
class LiveEvents:
    """Keeps an installed callback alive; HiGHS must not run after this object is gone."""

    callback: object
    ffi: object


def install(model: mip.Model, columns: int, channel: Channel) -> LiveEvents | None:
    """Let HiGHS report to `channel` while it runs `model`, and stop when the channel asks.

    None when the library lacks the accessor or refuses the callback: the solve then goes on without live events.
    """
    import cffi
    import mip.highs

    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    library = ffi.dlopen(mip.highs.libfile)
    if not hasattr(library, "Highs_getCallbackDataOutItem") or not hasattr(library, "Highs_setCallback"):
        return None
    handle = ffi.cast("void*", int(mip.highs.ffi.cast("uintptr_t", model.solver._model)))
    callback = ffi.callback("live_callback", _Listener(ffi, library, columns, channel))
    if library.Highs_setCallback(handle, callback, ffi.NULL) != 0:
        return None
    for kind in (*_INTERRUPTS, _IMPROVING_SOLUTION, _MIP_LOGGING):
        library.Highs_startCallback(handle, kind)
    return LiveEvents(callback, ffi)


class _Listener:
    """The callback itself, called by HiGHS in the thread that solves."""

    def __init__(self, ffi: Any, library: Any, columns: int, channel: Channel) -> None:
        self._ffi = ffi
        self._library = library
        self._columns = columns
        self._channel = channel

    def __call__(self, kind: int, message: Any, data_out: Any, data_in: Any, user: Any) -> None:
        if kind in _INTERRUPTS:
            if self._channel.stop_requested:
                self._ffi.cast("int*", data_in)[0] = 1
        elif kind == _IMPROVING_SOLUTION:
            self._hand_out_solution(data_out)
        elif kind == _MIP_LOGGING:
            self._report(data_out)

    def _item(self, data_out: Any, name: bytes, kind: str) -> Any:
        """A pointer to an item, or None if this HiGHS has no such item or it holds nothing."""
        place = self._library.Highs_getCallbackDataOutItem(data_out, name)
        return None if place == self._ffi.NULL else self._ffi.cast(kind, place)

    def _hand_out_solution(self, data_out: Any) -> None:
        values = self._item(data_out, b"mip_solution", "double*")
        if values is not None:
            buffer = self._ffi.buffer(values, 8 * self._columns)
            self._channel.incumbent(np.frombuffer(buffer, dtype=np.float64).copy())

    def _report(self, data_out: Any) -> None:
        primal = self._item(data_out, b"mip_primal_bound", "double*")
        dual = self._item(data_out, b"mip_dual_bound", "double*")
        nodes = self._item(data_out, b"mip_node_count", "int64_t*")
        self._channel.progress(
            "search",
            None if primal is None else primal[0],
            None if dual is None else dual[0],
            None if nodes is None else max(0, nodes[0]),
        )
