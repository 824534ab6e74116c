"""Annotations on a declaration or layer: `@formulation("big-m")`, a hint that changes no meaning, and `@sufficient`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from nnmip.hir.goals import Annotation
from nnmip.records import dataclass
from nnmip.sema.values import fail, listed, not_yet, quoted
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest


@dataclass(frozen=True, slots=True)
class AnnotationRule:
    """What an annotation takes and where it stands.

    places: the nodes that it can stand before, with their names. values: the texts that its argument can be, and
    whether this version has them; empty where it has no argument. only: the one kind of node that a text stands before,
    where that is not all of the places.
    """

    name: str
    signature: str
    places: Mapping[type, str]
    values: Mapping[str, bool]
    only: Mapping[str, type] = field(default_factory=dict)


ANNOTATIONS: Mapping[str, AnnotationRule] = {
    rule.name: rule
    for rule in (
        AnnotationRule(
            "formulation",
            '@formulation("big-m")',
            {nodes.Layer: "a layer", nodes.Constraint: "a constraint", nodes.NetworkFile: "a network from a file"},
            {"big-m": True, "ideal": True, "indicator": False, "sos1": False, "partition": False},
            {"ideal": nodes.NetworkFile},
        ),
        AnnotationRule(
            "bounds",
            '@bounds("lp")',
            {nodes.NetworkFile: "a network from a file"},
            {"interval": True, "crown": True, "lp": True, "milp": False},
        ),
        AnnotationRule("sufficient", "@sufficient", {nodes.Constraint: "a constraint"}, {}),
    )
}
"""Every annotation of the language by its name."""


def read_annotations(node: nodes.Declaration | nodes.Layer) -> tuple[Annotation, ...]:
    """The annotations of a declaration or layer.

    Raises DiagnosticError: NNM0203 for a name that no annotation has, NNM0204 for wrong arguments, a wrong place or a
    second one of the same name, NNM0104 for what this version does not have.
    """
    found: dict[str, Annotation] = {}
    for annotation in node.annotations:
        name = annotation.name.text
        if name in found:
            raise fail("NNM0204", f"`@{name}` is given twice", annotation.span, help="leave one of them out")
        found[name] = _read(annotation, node)
    return tuple(found.values())


def _read(annotation: nodes.Annotation, node: nodes.Declaration | nodes.Layer) -> Annotation:
    rule = _rule(annotation)
    if type(node) not in rule.places:
        message = f"`@{rule.name}` stands before {_alternatives(rule.places.values())}"
        raise fail("NNM0204", message, annotation.span, help="leave it out here: it has no meaning")
    if not rule.values:
        if annotation.arguments:
            raise fail(
                "NNM0204", f"`@{rule.name}` takes no argument", annotation.span, help=f"write `{rule.signature}`"
            )
        return Annotation(rule.name, ())
    text = _value(annotation, rule, type(node))
    if type(node) is not rule.only.get(text, type(node)):
        message = f'`@{rule.name}("{text}")` stands before {rule.places[rule.only[text]]}'
        raise fail("NNM0204", message, annotation.span, help="leave it out here")
    return Annotation(rule.name, (text,))


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


def _value(annotation: nodes.Annotation, rule: AnnotationRule, kind: type) -> str:
    """The one text that an annotation before a node of some kind is given."""
    match annotation.arguments:
        case (nodes.Positional(value=nodes.String(value=text, span=span)),):
            if text not in rule.values:
                near = closest(text, rule.values)
                known = listed(f'"{value}"' for value in rule.values)
                help = f'did you mean `"{near}"`?' if near else f"it is one of {known}"
                raise fail("NNM0204", f"`@{rule.name}` does not know {quoted(span)}", span, help=help)
            if not rule.values[text]:
                usable = [v for v, is_there in rule.values.items() if is_there and rule.only.get(v, kind) is kind]
                there = " or ".join(f'`"{value}"`' for value in usable)
                raise not_yet(f'`@{rule.name}("{text}")`', span, help=f"write {there}, or leave the annotation out")
            return text
    message = f"`@{rule.name}` takes one text in quotes"
    raise fail("NNM0204", message, annotation.span, help=f"write `{rule.signature}`")
