"""`argmin`: the index of the least entry of a vector."""

from __future__ import annotations

from nnmip.ops.places import place_word

WORD = place_word("argmin", "least")
