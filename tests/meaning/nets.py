"""Small random networks of every kind of layer, as source text and table: images, vectors, skips and gates."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from tests.meaning.generator import MOST_ASSIGNMENTS, Model
from tests.meaning.tasks import Chooser, chance, pick

WEIGHTS = {"{-1, 1}": 2, "{-1, 0, 1}": 3, "{0, 1}": 2, "{1, 2}": 2, "{-0.5, 1}": 2}
BIASES = {"{-1, 0}": 2, "{0.5}": 1, "{-1, 0, 1}": 3, "{0, 1}": 2}
PLAIN = ("relu({})", "leaky_relu({}, slope: 0.5)", "abs({})", "clip({}, low: -1, high: 2)", "relu6({})")
CURVE = "piecewise({}, points: [-1, 0, 1, 2], values: [0.5, -0.5, 1, 0.5], outside: [0.5, -1])"
MORE = ("hard_tanh({})", "hard_sigmoid({})", "sign({})", "step({})", "leaky_relu({})", "clip({}, low: 0.5, high: 1)")
MASKS = 8


@dataclass
class Net:
    """The lines of a network so far, and how many assignments of its weights there are."""

    choose: Chooser
    outputs: int = 1
    lines: list[str] = field(default_factory=list)
    count: int = 1
    hidden: list[str] = field(default_factory=list)
    prunable: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    weighted: list[str] = field(default_factory=list)

    def add(self, call: str) -> str:
        name = f"l{len(self.lines)}"
        self.lines.append(f"  layer {name} = {call}")
        return name

    def domains(self, weights: int, units: int) -> str:
        """Domains of a layer with this many weights and units, as small as the room that is left asks for."""
        room = MOST_ASSIGNMENTS / self.count / MASKS
        fitting = [d for d, size in WEIGHTS.items() if size**weights <= room]
        chosen = pick(self.choose, fitting or ["{1}"])
        self.count *= WEIGHTS.get(chosen, 1) ** weights
        text = f"weights in {chosen}"
        fitting = [d for d, size in BIASES.items() if size**units <= MOST_ASSIGNMENTS / self.count / MASKS]
        if fitting and chance(self.choose, 50):
            bias = pick(self.choose, fitting)
            self.count *= BIASES[bias] ** units
            text += f", bias in {bias}"
        return text

    def activation(self, name: str, prune: str, units: int) -> str:
        """An activation of a layer with weights."""
        call = pick(self.choose, (*PLAIN, "relu({})", "relu({})", *MORE, CURVE)).format(name)
        if units <= 3 and chance(self.choose, 40):
            call = f"{call[:-1]}, prune: {prune})"
            self.prunable.append(f"l{len(self.lines)}")
        made = self.add(call)
        self.hidden.append(made)
        return made


def random_net(choose: Chooser) -> Model:
    """A model over images or vectors whose weights can be enumerated."""
    net = Net(choose)
    make = pick(choose, (_image, _image, _vector, _deep))
    shape, last = make(net)
    width = prod(shape)
    values = pick(choose, ((0, 1), (-1, 0, 1), (0, 0.5, 1)))
    columns = [f"f{i}" for i in range(width)]
    rows = [",".join([*columns, "y"])]
    rows += [
        ",".join([*(str(pick(choose, values)) for _ in columns), pick(choose, ("p", "m"))])
        for _ in range(choose.integer(2, 4))
    ]
    size = ", ".join(map(str, shape))
    text = [
        "nnm 0.1",
        f'data train = csv("rows.csv") {{ features {", ".join(columns)}; label y as {{p: +1, m: -1}} }}'.replace(
            ";", "\n"
        ),
        f"network net(x: real[{size}] in [-1, 1]) {{",
        *net.lines,
        f"  return {last}[0]",
        "}",
        _goal(net),
        *_rules(net),
    ]
    return Model("\n".join(text) + "\n", {"rows.csv": "\n".join(rows) + "\n"})


def grown(net: Net) -> tuple[tuple[int, ...], str]:
    """A network of any kind: the shape of its input, and its last layer."""
    shape, last = pick(net.choose, (_image, _image, _vector, _deep, _bent_twice))(net)
    return shape, last


def _bent_twice(net: Net) -> tuple[tuple[int, ...], str]:
    """Units behind two activations, of which the second removes some."""
    choose = net.choose
    units = choose.integer(1, 2)
    first = net.add(f"dense(x, units: {units}, {net.domains(2 * units, units)})")
    net.weighted.append(first)
    bend = net.add(pick(choose, (*PLAIN, *MORE, CURVE)).format(first))
    return (2,), _head(net, net.activation(bend, "units", units), units)


def _image(net: Net) -> tuple[tuple[int, ...], str]:
    choose = net.choose
    image = pick(choose, ((1, 2, 2), (1, 2, 3), (1, 3, 3), (2, 2, 2), (1, 3, 4)))
    source, size, depth = "x", list(image[1:]), image[0]
    for _ in range(choose.integer(1, 2)):
        filters = choose.integer(1, 2)
        kernel = [min(size[0], choose.integer(1, 2)), min(size[1], choose.integer(1, 2))]
        stride, padding = pick(choose, (1, 1, 1, 2)), pick(choose, (0, 0, 1)) if min(kernel) > 1 else 0
        dilation = 2 if min(size) > 2 and max(kernel) == 2 and chance(choose, 20) else 1
        groups = depth if depth == filters and chance(choose, 30) else 1
        domains = net.domains(filters * depth // groups * prod(kernel), filters)
        options = f"stride: {stride}, padding: {padding}, dilation: {dilation}, groups: {groups}"
        if any((s + 2 * padding - dilation * (k - 1) - 1) < 0 for s, k in zip(size, kernel, strict=True)):
            options, stride, padding, dilation = f"groups: {groups}", 1, 0, 1
        made = net.add(f"conv2d({source}, filters: {filters}, kernel: {kernel}, {domains}, {options})")
        net.weighted.append(made)
        size = [(s + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for s, k in zip(size, kernel, strict=True)]
        source, depth = made, filters
        if chance(choose, 80):
            source = net.activation(source, "filters", filters)
        if chance(choose, 50) and max(size) > 1:
            window = [min(2, size[0]), min(2, size[1])]
            pool = pick(choose, ("maxpool2d", "maxpool2d", "avgpool2d"))
            extra = ", stride: 1" if chance(choose, 30) else ""
            step = [1, 1] if extra else window
            source = net.add(f"{pool}({source}, kernel: {window}{extra})")
            size = [(s - k) // t + 1 for s, k, t in zip(size, window, step, strict=True)]
        elif chance(choose, 20):
            source = net.add(f"pad({source}, border: [0, 1, 1, 0], value: {pick(choose, (0, 0.5))})")
            size = [size[0] + 1, size[1] + 1]
    if chance(choose, 20):
        source, width = net.add(f"globalavgpool({source})"), depth
    elif chance(choose, 15):
        width = depth * prod(size)
        source = net.add(f"reshape({source}, shape: [{width}])")
    else:
        source, width = net.add(f"flatten({source})"), depth * prod(size)
    return image, _head(net, source, width)


def _vector(net: Net) -> tuple[tuple[int, ...], str]:
    choose = net.choose
    features = choose.integer(1, 2)
    units = choose.integer(1, 2)
    first = net.add(f"dense(x, units: {units}, {net.domains(units * features, units)})")
    net.weighted.append(first)
    a = net.activation(first, "units", units)
    second = net.add(f"dense(x, units: {units}, {net.domains(units * features, units)})")
    net.weighted.append(second)
    kind = pick(choose, ("add", "concat", "gate", "skip"))
    if kind == "gate":
        on = net.add(f"step({second})")
        b = net.add(f"gate({a}, {on})")
        width = units
    elif kind == "concat":
        b, width = net.add(f"concat({a}, {second}, axis: 0)"), 2 * units
    elif kind == "skip" and features == units:
        b, width = net.add(f"add({a}, x, {second})"), units
    else:
        b, width = net.add(f"add({a}, {second})"), units
    if chance(choose, 40):
        b = net.add(pick(choose, PLAIN).format(b))
    return (features,), _head(net, b, width)


def _deep(net: Net) -> tuple[tuple[int, ...], str]:
    """Layers that may be left out: one alone, a block of two, one inside another, with something else in its place."""
    choose = net.choose
    width = choose.integer(1, 2)
    kind = pick(choose, ("one", "weights", "two", "nested", "projection", "pruned"))
    source = "x"
    if chance(choose, 50):
        first = net.add(f"dense(x, units: {width}, {net.domains(width * width, width)})")
        source = net.activation(first, "units", width)
    if kind == "projection":
        place = net.add(f"dense(x, units: {width}, {net.domains(width * width, width)})")
        inner = net.add(f"dense({source}, units: {width}, {net.domains(width * width, width)})")
        last = net.add(f"{pick(choose, ('relu', 'step', 'clip'))}({inner}, optional: true, skip: {place})")
    elif kind == "weights":
        last = net.add(f"dense({source}, units: {width}, {net.domains(width * width, width)}, optional: true)")
    else:
        prune = ", prune: units" if kind == "pruned" else ", optional: true" if kind == "nested" else ""
        last = net.add(f"dense({source}, units: {width}, {net.domains(width * width, width)})")
        if kind != "one":
            last = net.add(f"{pick(choose, ('relu', 'step', 'hard_sigmoid'))}({last}{prune})")
            last = net.add(f"dense({last}, units: {width}, {net.domains(width * width, width)})")
        name = pick(choose, ("relu", "relu", "sign", "hard_sigmoid", "leaky_relu"))
        last = net.add(f"{name}({last}, optional: true, skip: {source})")
    net.optional.append(last)
    return (width,), _head(net, last, width)


def _head(net: Net, source: str, width: int) -> str:
    outputs = net.outputs
    last = net.add(f"dense({source}, units: {outputs}, {net.domains(width * outputs, outputs)})")
    net.weighted.append(last)
    return last


def _goal(net: Net) -> str:
    choose = net.choose
    loss = pick(choose, ("hinge(net, train)", "zero_one(net, train)", "zero_one(net, train, margin: 1)"))
    sign = pick(choose, ("minimize", "minimize", "maximize"))
    terms = [f"{loss}"]
    if chance(choose, 60):
        terms.append(f"{pick(choose, ('0.1', '0.01', '-0.1'))} * {pick(choose, ('l0', 'norm_1', 'sum'))}(net.weights)")
    if net.hidden and chance(choose, 40):
        terms.append(f"{pick(choose, ('0.25', '-0.1'))} * count(used(net.{pick(choose, net.hidden)}))")
    if net.optional and chance(choose, 60):
        terms.append(f"{pick(choose, ('0.3', '-0.3'))} * count(used(net.{pick(choose, net.optional)}))")
    return f"{sign} {' + '.join(terms)}"


def _rules(net: Net) -> list[str]:
    choose, rules = net.choose, []
    if net.hidden and chance(choose, 30):
        rules.append(f"count(used(net.{pick(choose, net.hidden)})) <= {choose.integer(0, 1)}")
    if net.hidden and chance(choose, 30):
        layer = pick(choose, net.hidden)
        rules.append(f"forall s in train: atmost({choose.integer(0, 1)}, active(net.{layer}, s))")
    if net.optional and chance(choose, 20):
        rules.append(f"{pick(choose, ('', 'not '))}used(net.{pick(choose, net.optional)})")
    if chance(choose, 30):
        rules.append(f"fan_in(net.{pick(choose, net.weighted)}[0]) <= {choose.integer(1, 3)}")
    if chance(choose, 20):
        rules.append("forall s in train: net(s) <= 2")
    return [f"constraint r{i}: {rule}" for i, rule in enumerate(rules)]


def with_channels(net: Model) -> Model | None:
    """A random net whose last convolution lets channels be removed, which its goal counts; None without one."""
    at = net.text.rfind("= conv2d(")
    if at < 0:
        return None
    end = net.text.index("\n", at)
    name = net.text[net.text.rfind("layer ", 0, at) + len("layer ") : at].strip()
    line = net.text[at:end].removesuffix(")") + ", prune: channels)"
    text = net.text[:at] + line + net.text[end:]
    goal = next(line for line in text.splitlines() if line.startswith(("minimize", "maximize")))
    return Model(text.replace(goal, f"{goal} + 0.15 * count(net.{name}.channels)"), net.tables)
