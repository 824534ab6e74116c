"""Writes ONNX files with the tools that people use: PyTorch by both of its exporters, and scikit-learn.

    python tests/benchmarks/embedding/corpus.py FOLDER

The script makes an environment of its own in FOLDER/env (about 1 GB; torch without CUDA where pip offers it), installs
the tools there, and writes FOLDER/torch/*.onnx, FOLDER/dynamo/*.onnx and FOLDER/sklearn/*.onnx. `coverage.py FOLDER`
then imports them.
"""

from __future__ import annotations

import subprocess
import sys
import venv
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "scikit-learn", "skl2onnx")


def main(folder: Path) -> None:
    """Make the environment and run this file again inside of it."""
    python = folder / "env" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "env", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    subprocess.run([python, __file__, "--write", folder], check=True)


# ---- PyTorch -------------------------------------------------------------------------------------------------------


def modules() -> dict[str, tuple[Callable[[], Any], tuple[int, ...]]]:
    """Modules and the shape of their input without the batch."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.first(x))
            return self.last(torch.relu(x + self.second(h)))

    class Block(nn.Module):
        """A residual block of images, with normalisation."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.na, self.nb, self.skip = nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.Conv2d(3, 4, 1)
            self.head = nn.Linear(4, 5)

        def forward(self, x: Any) -> Any:
            y = self.nb(self.b(torch.relu(self.na(self.a(x)))))
            y = torch.relu(y + self.skip(x))
            return self.head(y.mean(dim=(2, 3)))

    class Views(nn.Module):
        """Slices, transposes, chunks and joins."""

        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            a, b = x.chunk(2, dim=1)
            a = torch.relu(self.one(a))
            b = b[:, [3, 1, 0, 2]] * 2 - 1
            return self.two(torch.cat([b, a], dim=1).view(x.size(0), 2, 4).transpose(1, 2).reshape(x.size(0), -1))

    class Scaled(nn.Module):
        """Inputs that are normalised by known numbers, clamped and scaled back."""

        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(5, 7), nn.Hardtanh(-1, 2), nn.Linear(7, 2))
            self.register_buffer("mean", torch.randn(5))
            self.register_buffer("std", torch.rand(5) + 0.5)

        def forward(self, x: Any) -> Any:
            return self.net((x - self.mean) / self.std).clamp(min=-1.5) * 10 + 3

    class Extremes(nn.Module):
        """The larger and the smaller of branches."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            a, b = self.a(x), self.b(x)
            return torch.maximum(a, b) - torch.minimum(a, b).abs() + torch.max(a, torch.zeros(3))

    class Dense(nn.Module):
        """Convolutions whose outputs are joined."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(5, 3, 1)

        def forward(self, x: Any) -> Any:
            x = torch.cat([x, torch.relu(self.a(x))], 1)
            x = torch.cat([x, torch.relu(self.b(x))], 1)
            return nn.functional.adaptive_avg_pool2d(self.c(x), 1).flatten(1)

    def mlp(*sizes: int, bend: Callable[[], Any] = nn.ReLU, end: tuple[Any, ...] = ()) -> Any:
        parts: list[Any] = []
        for a, b in pairwise(sizes):
            parts += [nn.Linear(a, b), bend()]
        return nn.Sequential(*parts[:-1], *end)

    def cnn(*parts: Any, width: int) -> Any:
        return nn.Sequential(*parts, nn.Flatten(), nn.Linear(width, 4))

    return {
        "mlp": (lambda: mlp(5, 8, 8, 3), (5,)),
        "mlp_leaky": (lambda: mlp(5, 8, 3, bend=nn.LeakyReLU), (5,)),
        "mlp_prelu": (lambda: mlp(5, 8, 3, bend=nn.PReLU), (5,)),
        "mlp_prelu_units": (lambda: mlp(5, 8, 3, bend=lambda: nn.PReLU(8)), (5,)),
        "mlp_relu6": (lambda: mlp(5, 8, 3, bend=nn.ReLU6), (5,)),
        "mlp_hardtanh": (lambda: mlp(5, 8, 3, bend=nn.Hardtanh), (5,)),
        "mlp_hardsigmoid": (lambda: mlp(5, 8, 3, bend=nn.Hardsigmoid), (5,)),
        "mlp_softmax": (lambda: mlp(5, 8, 3, end=(nn.Softmax(1),)), (5,)),
        "mlp_log_softmax": (lambda: mlp(5, 8, 3, end=(nn.LogSoftmax(1),)), (5,)),
        "mlp_sigmoid": (lambda: mlp(5, 8, 1, end=(nn.Sigmoid(),)), (5,)),
        "mlp_tanh_end": (lambda: mlp(5, 8, 2, end=(nn.Tanh(),)), (5,)),
        "mlp_dropout": (lambda: nn.Sequential(nn.Linear(5, 6), nn.Dropout(0.3), nn.ReLU(), nn.Linear(6, 2)), (5,)),
        "mlp_batchnorm": (
            lambda: nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.BatchNorm1d(6), nn.Linear(6, 2)),
            (5,),
        ),
        "mlp_no_bias": (lambda: nn.Sequential(nn.Linear(5, 6, bias=False), nn.ReLU(), nn.Linear(6, 1)), (5,)),
        "mlp_double": (lambda: mlp(5, 8, 3).double(), (5,)),
        "mlp_tanh": (lambda: mlp(5, 8, 3, bend=nn.Tanh), (5,)),
        "mlp_gelu": (lambda: mlp(5, 8, 3, bend=nn.GELU), (5,)),
        "mlp_hardswish": (lambda: mlp(5, 8, 3, bend=nn.Hardswish), (5,)),
        "rows": (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(20, 2)), (5, 3)),
        "residual": (Residual, (6,)),
        "views": (Views, (8,)),
        "scaled": (Scaled, (5,)),
        "extremes": (Extremes, (4,)),
        "cnn": (lambda: cnn(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), width=27), (1, 8, 8)),
        "cnn_stride": (lambda: cnn(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), width=48), (1, 8, 8)),
        "cnn_dilated": (lambda: cnn(nn.Conv2d(2, 2, 3, dilation=2), nn.ReLU(), width=32), (2, 8, 8)),
        "cnn_groups": (lambda: cnn(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 1), nn.ReLU(), width=72), (4, 8, 8)),
        "cnn_average": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AvgPool2d(3, 2, 1), width=18), (1, 8, 8)),
        "cnn_average_true": (
            lambda: cnn(nn.ReLU(), nn.AvgPool2d(3, 2, 1, count_include_pad=False), width=32),
            (2, 8, 8),
        ),
        "cnn_pool_ceil": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, 2, ceil_mode=True), width=18), (1, 7, 7)),
        "cnn_pool_pad": (lambda: cnn(nn.MaxPool2d(3, 2, 1), nn.ReLU(), width=32), (2, 8, 8)),
        "cnn_global": (
            lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            (1, 6, 6),
        ),
        "cnn_batchnorm": (
            lambda: cnn(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3), nn.MaxPool2d(2), width=27),
            (1, 8, 8),
        ),
        "cnn_padded": (lambda: cnn(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(1, 2, 3), nn.ReLU(), width=70), (1, 6, 6)),
        "cnn_reflected": (lambda: cnn(nn.ReflectionPad2d(1), nn.Conv2d(1, 2, 3), nn.ReLU(), width=72), (1, 6, 6)),
        "cnn_1d": (lambda: cnn(nn.Conv1d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), width=12), (2, 8)),
        "cnn_block": (Block, (3, 6, 6)),
        "cnn_dense": (Dense, (1, 5, 5)),
        "lstm": (lambda: nn.LSTM(3, 4, batch_first=True), (5, 3)),
        "layer_norm": (lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU()), (4,)),
    }


def write_torch(folder: Path, is_dynamo: bool) -> None:
    import torch

    for number, (name, (make, shape)) in enumerate(modules().items()):
        torch.manual_seed(number)
        module = make()
        for each in module.modules():
            if isinstance(each, torch.nn.modules.batchnorm._BatchNorm):
                each.running_mean, each.running_var = (
                    torch.randn(each.num_features),
                    torch.rand(each.num_features) + 0.5,
                )
        kind = next((p.dtype for p in module.parameters()), torch.float32)
        example = torch.randn(2, *shape, dtype=kind)
        # A third of the files has a batch of one, without an open size.
        is_open = number % 3 != 0
        if not is_open:
            example = example[:1]
        path = folder / f"{name}.onnx"
        options: dict[str, Any] = {"input_names": ["input"], "output_names": ["output"], "dynamo": is_dynamo}
        if is_open and is_dynamo:
            options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
        elif is_open:
            options["dynamic_axes"] = {"input": {0: "batch"}, "output": {0: "batch"}}
        if not is_dynamo:
            options["opset_version"] = (11, 13, 17)[number % 3]
        try:
            torch.onnx.export(module.eval(), (example,), str(path), verbose=False, **options)
        except Exception as error:
            print(f"{path}: not written: {type(error).__name__}")


# ---- scikit-learn --------------------------------------------------------------------------------------------------


def write_sklearn(folder: Path) -> None:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn import linear_model, neural_network, pipeline, preprocessing, svm, tree
    from sklearn.datasets import make_classification, make_regression

    X, y = make_classification(80, 6, n_informative=4, random_state=0)
    many = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
    Z, t = make_regression(80, 6, n_targets=1, random_state=0)
    two = make_regression(80, 6, n_targets=2, random_state=0)
    texts = np.array(["no", "yes"])[y]
    classify, regress = neural_network.MLPClassifier, neural_network.MLPRegressor
    quick = {"max_iter": 60, "random_state": 0}
    scaled = pipeline.make_pipeline
    models: dict[str, tuple[Any, Any, Any]] = {
        "mlp_two": (classify(hidden_layer_sizes=(8,), **quick), X, y),
        "mlp_texts": (classify(hidden_layer_sizes=(8, 5), **quick), X, texts),
        "mlp_three": (classify(hidden_layer_sizes=(8,), **quick), *many),
        "mlp_regressor": (regress(hidden_layer_sizes=(8,), **quick), Z, t),
        "mlp_regressor_two": (regress(hidden_layer_sizes=(8, 4), **quick), *two),
        "mlp_identity": (regress(hidden_layer_sizes=(8,), activation="identity", **quick), Z, t),
        "mlp_tanh": (regress(hidden_layer_sizes=(8,), activation="tanh", **quick), Z, t),
        "mlp_logistic": (classify(hidden_layer_sizes=(8,), activation="logistic", **quick), X, y),
        "scaled_mlp": (scaled(preprocessing.StandardScaler(), classify(hidden_layer_sizes=(8,), **quick)), X, y),
        "minmax_mlp": (scaled(preprocessing.MinMaxScaler(), classify(hidden_layer_sizes=(8,), **quick)), *many),
        "clipped_mlp": (scaled(preprocessing.MinMaxScaler(clip=True), regress(hidden_layer_sizes=(8,), **quick)), Z, t),
        "robust_mlp": (scaled(preprocessing.RobustScaler(), regress(hidden_layer_sizes=(8,), **quick)), Z, t),
        "max_abs_mlp": (scaled(preprocessing.MaxAbsScaler(), regress(hidden_layer_sizes=(8,), **quick)), Z, t),
        "linear": (linear_model.LinearRegression(), Z, t),
        "linear_two": (linear_model.LinearRegression(), *two),
        "ridge": (linear_model.Ridge(), Z, t),
        "lasso": (linear_model.Lasso(), Z, t),
        "logistic": (linear_model.LogisticRegression(), X, y),
        "logistic_texts": (linear_model.LogisticRegression(), X, texts),
        "logistic_three": (linear_model.LogisticRegression(), *many),
        "scaled_logistic": (scaled(preprocessing.StandardScaler(), linear_model.LogisticRegression()), X, y),
        "linear_svc": (svm.LinearSVC(), X, y),
        "linear_svr": (svm.LinearSVR(), Z, t),
        "sgd": (linear_model.SGDClassifier(random_state=0), X, y),
        "perceptron": (linear_model.Perceptron(), *many),
        "tree": (tree.DecisionTreeClassifier(max_depth=3), X, y),
        "svc": (svm.SVC(), X, y),
    }
    for number, (name, (model, data, labels)) in enumerate(models.items()):
        kind = np.float64 if number % 5 == 4 else np.float32
        model.fit(data, labels)
        is_classifier = hasattr(model, "classes_") and number % 2 == 0
        options = {id(model): {"zipmap": False}} if is_classifier else None
        try:
            onx = to_onnx(
                model, data[:1].astype(kind), options=options, target_opset={"": 18 - number % 4, "ai.onnx.ml": 3}
            )
        except Exception as error:
            print(f"{name}: not written: {type(error).__name__}: {error}"[:150])
            continue
        (folder / f"{name}.onnx").write_bytes(onx.SerializeToString())


def write(folder: Path) -> None:
    warnings.simplefilter("ignore")
    for name in ("torch", "dynamo", "sklearn"):
        (folder / name).mkdir(exist_ok=True, parents=True)
    write_sklearn(folder / "sklearn")
    write_torch(folder / "torch", is_dynamo=False)
    write_torch(folder / "dynamo", is_dynamo=True)


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        write(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))
