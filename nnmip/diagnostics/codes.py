"""Every diagnostic code with its title. Codes are grouped by the phase that finds them and never change meaning."""

from __future__ import annotations

TITLES: dict[str, str] = {
    # 01xx: the text does not follow the grammar
    "NNM0101": "syntax error",
    "NNM0102": "version line missing or not understood",
    "NNM0103": "the file cannot be read as text",
    "NNM0104": "part of the language that this version does not have yet",
    "NNM0105": "included file cannot be read",
    "NNM0106": "files include each other in a circle",
    # 02xx: names and types
    "NNM0201": "unknown name",
    "NNM0202": "name declared twice",
    "NNM0203": "unknown layer, loss, predicate, function or annotation",
    "NNM0204": "wrong arguments",
    "NNM0205": "wrong type",
    "NNM0206": "parameter without a value, or value outside its domain",
    "NNM0207": "no goal, or more than one",
    "NNM0208": "layer that nothing reads",
    "NNM0209": "term of the goal that is not there",
    # 03xx: shapes, domains and exactness
    "NNM0301": "shapes do not agree",
    "NNM0302": "index out of range",
    "NNM0303": "not a domain",
    "NNM0310": "too large to build unasked",
    "NNM0312": "product of two decisions without an exact encoding",
    "NNM0313": "expression is not linear",
    "NNM0314": "nonzero must be provable, but the domain has no least magnitude",
    # 04xx: bounds
    "NNM0401": "no finite bound",
    "NNM0402": "big-M too large",
    "NNM0403": "large big-M",
    "NNM0404": "strictness too small to decide",
    "NNM0405": "number that solvers cannot represent",
    "NNM0406": "formulation that does not fit the model",
    # 05xx: data
    "NNM0501": "data file cannot be read",
    "NNM0502": "unknown column",
    "NNM0503": "value cannot be used",
    "NNM0504": "label without a code",
    "NNM0505": "empty table",
    "NNM0506": "data outside the input domain",
    "NNM0507": "column cannot be scaled",
    "NNM0508": "only one class",
    "NNM0509": "groups that cannot be compared",
    # 06xx: answers and networks from files (how a solver ended is the termination of a result)
    "NNM0611": "solution file cannot be read",
    "NNM0612": "solution belongs to another model",
    "NNM0613": "saved run cannot be used",
    "NNM0614": "model file cannot be read",
    "NNM0615": "network to start from cannot be used",
    "NNM0616": "network file cannot be read",
    "NNM0617": "network file with something that cannot be imported",
    "NNM0618": "imported network differs from its file",
    "NNM0619": "scores instead of what a network file gives",
    "NNM0620": "curves of lines instead of smooth functions",
    "NNM0621": "a property of curves whose error is not known there",
    "NNM0631": "query file cannot be read",
    "NNM0632": "query that cannot be decided here",
    # 09xx: nnmip itself
    "NNM0901": "internal error",
}
