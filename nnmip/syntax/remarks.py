"""Comments on their way from the source to the formatted text: which token each one belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from nnmip.syntax import nodes
from nnmip.syntax.layout import Remark, Text
from nnmip.syntax.spelling import same_token
from nnmip.syntax.tokens import Token


def attach_comments(
    printed: Sequence[Text], tokens: Sequence[Token], comments: Sequence[nodes.Comment], source: str
) -> None:
    """Hang each comment, and each empty line of the source, on the printed token that it belongs to.

    A comment behind a token on its line goes with that token, any other with the token that follows. The last of
    `printed` is empty and stands for the end of the text. Where a token is not printed, such as a comma before a
    closing bracket, its neighbours get its comments.
    """
    partners = _partners(printed, tokens)
    waiting = list(comments)
    waiting.reverse()
    end = 0
    previous: Text | None = None
    remarks: list[Remark] = []
    for index in range(len(tokens) + 1):
        start = tokens[index].start_pos if index < len(tokens) else len(source)
        assert start is not None
        while waiting and waiting[-1].span.start < start:
            comment = waiting.pop()
            text, gap = comment.text.rstrip(), source[end : comment.span.start]
            if previous is not None and not previous.after and not remarks and "\n" not in gap:
                previous.after = text
            else:
                remarks.append(Remark(text, gap.count("\n") > 1))
            end = comment.span.end
        partner = partners[index]
        if partner is not None:
            partner.before.extend(remarks)
            partner.blank = source[end:start].count("\n") > 1
            previous, remarks = partner, []
        if index < len(tokens):
            end = tokens[index].end_pos or start


def _partners(printed: Sequence[Text], tokens: Sequence[Token]) -> list[Text | None]:
    """For each token of the source the printed token that it became, and the end for the end."""
    partners: list[Text | None] = [None] * len(tokens)
    index = 0
    for text in printed[:-1]:
        if index < len(tokens) and tokens[index].value == "," and text.text != ",":
            index += 1
        if index < len(tokens) and _is_same(tokens[index].value, text.text):
            partners[index] = text
            index += 1
        elif text.text not in ("(", ")"):
            return _nearest_partners(printed, tokens)
    return [*partners, printed[-1]]


def _is_same(token: str, text: str) -> bool:
    """Whether a token was printed as `text`; a second `forall` of a property continues the list of the first."""
    return same_token(token, text) or (token == "forall" and text == ",")


def _nearest_partners(printed: Sequence[Text], tokens: Sequence[Token]) -> list[Text | None]:
    """The same for a tree that was changed since it was parsed: what is still there or replaced finds its partner."""
    ours, theirs = [text.text for text in printed[:-1]], [token.value for token in tokens]
    partners: list[Text | None] = [None] * len(tokens)
    for kind, start, stop, _, end in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if kind in ("equal", "replace"):
            # The last tokens of what was replaced matter most: a comment follows them.
            for back in range(1, stop - start + 1):
                partners[stop - back] = printed[max(end - back, 0)] if kind == "equal" or back == 1 else None
    return [*partners, printed[-1]]
