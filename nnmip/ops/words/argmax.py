"""`argmax`: the index of the largest entry of a vector."""

from __future__ import annotations

from nnmip.ops.places import place_word

WORD = place_word("argmax", "largest")
