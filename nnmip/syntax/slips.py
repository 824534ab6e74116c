"""What to write instead of characters and words from other languages."""

from __future__ import annotations

import unicodedata

from nnmip.records import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """`fix` is what to write in the place of the token, where the help does not quote it; None where nothing is."""

    message: str
    help: str = ""
    fix: str | None = None


_OPERATORS = {
    "==": "`=`",
    "&&": "`and`",
    "||": "`or`",
    "<>": "`!=`",
    "=<": "`<=`",
    "=>": "`->` for an implication, `>=` for a comparison",
    ":=": "`=`",
    "**": "a product: `x * x`",
    "//": "`/`; a comment starts with `#`",
}

_SIGNS = {
    "≤": "`<=`",
    "≥": "`>=`",
    "≠": "`!=`",
    "∧": "`and`",
    "\N{LOGICAL OR}": "`or`",
    "¬": "`not`",
    "→": "`->`",
    "⇒": "`->`",
    "↔": "`<->`",
    "⇔": "`<->`",
    "∈": "`in`",
    "∉": "`not in`",
    "∀": "`forall`",
    "∃": "`exists`",
    "∑": "`sum(i in D: ...)`",
    "⊕": "`xor`",
    "·": "`*`",
    "\N{MULTIPLICATION SIGN}": "`*`",
    "\N{MINUS SIGN}": "`-`",
    "\N{EN DASH}": "`-`",
    "…": "`..`",
    "^": "a product: `x * x`",
    "“": '`"`',
    "”": '`"`',
    "„": '`"`',
    "\N{LEFT SINGLE QUOTATION MARK}": '`"`',
    "\N{RIGHT SINGLE QUOTATION MARK}": '`"`',
    "&": "`and`",
    "'": '`"`',
}

_WORDS = {
    "iff": "`<->`",
    "implies": "`->`",
    "elif": "`else if`",
    "elseif": "`else if`",
    "is": "`=`",
    "like": "`=`",
}

DECLARATION_SYNONYMS = {
    "assert": "prove",
    "const": "param",
    "constant": "param",
    "dataset": "data",
    "def": "let",
    "ensure": "prove",
    "import": "include",
    "max": "maximize",
    "maximise": "maximize",
    "min": "minimize",
    "minimise": "minimize",
    "model": "network",
    "net": "network",
    "property": "verify",
    "require": "assume",
    "set": "let",
    "solve": "satisfy",
    "st": "constraint",
    "subject": "constraint",
    "table": "data",
    "variable": "var",
}
"""Words that open a statement in other languages, with what opens it here."""


def advise_mistake(text: str) -> Advice:
    """Advice on a token of kind MISTAKE."""
    if text == "!":
        return Advice("`!` is not an operator", "write `not`", "not ")
    if text in _OPERATORS:
        return Advice(f"`{text}` is not an operator", f"write {_OPERATORS[text]}")
    if text[0] == "'":
        return Advice("a string stands in double quotes", f'write `"{text[1:-1]}"`' if len(text) < 60 else "")
    if text[0] == ".":
        return Advice("a number has a digit before its point", f"write `0{text}`")
    return Advice("a number has a digit after its point", f"write `{text}0`")


def advise_stray(char: str) -> Advice:
    """Advice on a character that no token starts with."""
    if char == ";":
        return Advice("there are no semicolons", "leave it out: a declaration ends where the next one starts", "")
    if char in _SIGNS:
        return Advice(f"`{char}` is not part of the language", f"write {_SIGNS[char]}")
    if char == "%":
        return Advice("there is no remainder operator", "for a percentage write a fraction such as `0.05`")
    if char == "\\":
        return Advice("a line needs no `\\` at its end", "leave it out: line ends mean nothing", "")
    if char.isalnum():
        plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
        help = "names use the letters a to z, digits and `_`"
        return Advice(f"`{char}` cannot stand in a name", f"write `{plain}`: {help}" if plain.isalnum() else help)
    if char.isprintable():
        return Advice(f"`{char}` is not part of the language")
    name = unicodedata.name(char, "control character").lower()
    return Advice(f"invisible character U+{ord(char):04X} ({name})", "delete it, or type an ordinary space", " ")


def advise_word(word: str) -> Advice | None:
    """Advice on a name where no name can stand, if it is a word of another language."""
    if word == "for":
        return Advice("there is no `for` after an expression", "write the range first: `sum(i in 0..3: x[i])`")
    if word.lower() in _WORDS:
        return Advice(f"`{word}` is not a word of the language", f"write {_WORDS[word.lower()]}")
    if word.lower() in ("and", "or", "not", "xor", "then", "else", "in"):
        return Advice(f"`{word}` is written in lower case", f"write `{word.lower()}`")
    return None
