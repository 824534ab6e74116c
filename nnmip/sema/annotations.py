"""Annotations on a declaration or layer: `@formulation("big-m")`, a hint that changes no meaning, and `@sufficient`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from nnmip.diagnostics import DiagnosticError
from nnmip.hir.goals import Annotation
from nnmip.records import dataclass
from nnmip.sema.values import fail, listed, quoted
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest


@dataclass(frozen=True, slots=True)
class Text:
    """A text that an annotation can be given.

    only: the one kind of node that it stands before, where that is not all of the annotation's places. numbers: the
    whole numbers from 1 on that can follow it by name, with what they are where they are left out. refusal: why there
    is nothing for it; None where there is.
    """

    only: type | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class AnnotationRule:
    """What an annotation takes and where it stands.

    places: the nodes that it can stand before, with their names. texts: what its argument can be; empty where it has no
    argument.
    """

    name: str
    signature: str
    places: Mapping[type, str]
    texts: Mapping[str, Text]


NOT_EVERYWHERE = "python-mip hands no solver indicator rows, and HiGHS no SOS sets"

ANNOTATIONS: Mapping[str, AnnotationRule] = {
    rule.name: rule
    for rule in (
        AnnotationRule(
            "formulation",
            '@formulation("big-m")',
            {nodes.Layer: "a layer", nodes.Constraint: "a constraint", nodes.NetworkFile: "a network from a file"},
            {
                "big-m": Text(),
                "ideal": Text(only=nodes.NetworkFile),
                "partition": Text(only=nodes.NetworkFile, numbers={"parts": 4}),
                "indicator": Text(refusal=NOT_EVERYWHERE),
                "sos1": Text(refusal=NOT_EVERYWHERE),
            },
        ),
        AnnotationRule(
            "bounds",
            '@bounds("lp")',
            {nodes.NetworkFile: "a network from a file"},
            {"interval": Text(), "crown": Text(), "lp": Text(), "milp": Text(numbers={"programs": 100})},
        ),
        AnnotationRule("sufficient", "@sufficient", {nodes.Constraint: "a constraint"}, {}),
    )
}
"""Every annotation of the language by its name."""


def read_annotations(node: nodes.Declaration | nodes.Layer) -> tuple[Annotation, ...]:
    """The annotations of a declaration or layer.

    Raises DiagnosticError: NNM0203 for a name that no annotation has, NNM0204 for wrong arguments, a wrong place or a
    second one of the same name, NNM0104 for what no encoding is there for.
    """
    found: dict[str, Annotation] = {}
    for annotation in node.annotations:
        name = annotation.name.text
        if name in found:
            raise fail("NNM0204", f"`@{name}` is given twice", annotation.span, help="leave one of them out")
        found[name] = _read(annotation, node)
    return tuple(found.values())


def network_annotations(**given: tuple[str | None, Mapping[str, int]]) -> tuple[Annotation, ...]:
    """What annotations before a network from a file say, each a text with numbers by name, None for none.

    Raises ValueError for a text that such a network cannot be given, and for a number below 1.
    """
    found: list[Annotation] = []
    for name, (said, numbers) in given.items():
        if said is None:
            continue
        texts = {value: text for value, text in ANNOTATIONS[name].texts.items() if text.refusal is None}
        if said not in texts:
            raise ValueError(f"{name} is one of {listed(texts)}, not {said!r}")
        own = {option: numbers.get(option, usual) for option, usual in texts[said].numbers.items()}
        for option, number in own.items():
            if number < 1:
                raise ValueError(f"{option} is a whole number from 1 on, not {number!r}")
        found.append(Annotation(name, (said,), tuple(own.items())))
    return tuple(found)


def _read(annotation: nodes.Annotation, node: nodes.Declaration | nodes.Layer) -> Annotation:
    rule = _rule(annotation)
    if type(node) not in rule.places:
        message = f"`@{rule.name}` stands before {_alternatives(rule.places.values())}"
        raise fail("NNM0204", message, annotation.span, help="leave it out here: it has no meaning")
    if not rule.texts:
        if annotation.arguments:
            raise fail(
                "NNM0204", f"`@{rule.name}` takes no argument", annotation.span, help=f"write `{rule.signature}`"
            )
        return Annotation(rule.name, ())
    said, numbers = _value(annotation, rule)
    text = rule.texts[said]
    if text.refusal is not None:
        raise _refused(annotation, rule, said, type(node))
    if type(node) is not (text.only or type(node)):
        message = f'`@{rule.name}("{said}")` stands before {rule.places[text.only or type(node)]}'
        raise fail("NNM0204", message, annotation.span, help="leave it out here")
    return Annotation(rule.name, (said,), tuple(_numbers(annotation, said, text, numbers).items()))


def _alternatives(names: Iterable[str]) -> str:
    """`a layer, a constraint or a network`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _rule(annotation: nodes.Annotation) -> AnnotationRule:
    name = annotation.name.text
    if name in ANNOTATIONS:
        return ANNOTATIONS[name]
    near = closest(name, ANNOTATIONS)
    help = f"did you mean `@{near}`?" if near else f"the annotations are {listed(f'@{known}' for known in ANNOTATIONS)}"
    raise fail("NNM0203", f"no annotation is called `{name}`", annotation.name.span, help=help)


def _value(annotation: nodes.Annotation, rule: AnnotationRule) -> tuple[str, tuple[nodes.Named, ...]]:
    """The one text that an annotation is given, and what follows it by name."""
    match annotation.arguments:
        case (nodes.Positional(value=nodes.String(value=text, span=span)), *rest) if all(
            isinstance(each, nodes.Named) for each in rest
        ):
            if text not in rule.texts:
                near = closest(text, rule.texts)
                known = listed(f'"{value}"' for value in rule.texts)
                help = f'did you mean `"{near}"`?' if near else f"it is one of {known}"
                raise fail("NNM0204", f"`@{rule.name}` does not know {quoted(span)}", span, help=help)
            return text, tuple(each for each in rest if isinstance(each, nodes.Named))
    message = f"`@{rule.name}` takes one text in quotes"
    raise fail("NNM0204", message, annotation.span, help=f"write `{rule.signature}`")


def _refused(annotation: nodes.Annotation, rule: AnnotationRule, said: str, kind: type) -> DiagnosticError:
    """The error for a text that this version has nothing for."""
    usable = [value for value, text in rule.texts.items() if text.refusal is None and (text.only or kind) is kind]
    there = " or ".join(f'`"{value}"`' for value in usable)
    span = annotation.arguments[0].span
    help = f"write {there}, or leave the annotation out: the optimum is the same"
    message = f'`@{rule.name}("{said}")` has no encoding that every solver takes'
    return fail("NNM0104", message, span, help=help, note=rule.texts[said].refusal or "")


def _numbers(annotation: nodes.Annotation, said: str, text: Text, given: tuple[nodes.Named, ...]) -> Mapping[str, int]:
    """The numbers of a text, by their names."""
    found: dict[str, int] = {}
    usual = ", ".join([f'"{said}"', *(f"{name}: {number}" for name, number in text.numbers.items())])
    help = f"write `@{annotation.name.text}({usual})`"
    for option in given:
        name = option.name.text
        if name not in text.numbers:
            near = closest(name, text.numbers)
            message = f'`@{annotation.name.text}("{said}")` has no option `{name}`'
            raise fail("NNM0204", message, option.span, help=f"did you mean `{near}`?" if near else help)
        if name in found:
            raise fail("NNM0204", f"`{name}` is given twice", option.span, help="leave one of them out")
        match option.value:
            case nodes.Number(value=int(number)) if number >= 1:
                found[name] = number
            case _:
                message = f"`{name}` is a whole number from 1 on, not {quoted(option.value.span)}"
                raise fail("NNM0204", message, option.value.span, help=help)
    return {**text.numbers, **found}
