"""ONNX files by both exporters of PyTorch: `python write_torch.py FOLDER`, in an environment with torch and onnxscript.

Modules that people write, in evaluation mode, from fixed seeds, by the exporter that traces TorchScript to
FOLDER/torch, and by that of `torch.export` to FOLDER/dynamo; in several operator sets, with open and with single
batches, with and without the names of nodes.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any


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

    class Inverted(nn.Module):
        """An inverted bottleneck, as in mobile networks: expansion, depthwise convolution, projection, skip."""

        def __init__(self, bend: Callable[[], Any]) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *(nn.Conv2d(2, 6, 1, bias=False), nn.BatchNorm2d(6), bend()),
                *(nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6), bend()),
                *(nn.Conv2d(6, 2, 1, bias=False), nn.BatchNorm2d(2)),
            )
            self.head = nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            return self.head(nn.functional.adaptive_avg_pool2d(x + self.body(x), (1, 1)).flatten(1))

    class Reduced(nn.Module):
        """Sums, means and extremes along axes, and what is stacked."""

        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 6), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.one(x)).view(-1, 2, 3)
            rows = [h.sum(1), h.mean(dim=1), h.amax(dim=1), h.amin(dim=1)]
            return self.two(torch.stack([row.sum(-1) for row in rows], dim=-1))

    class Chosen(nn.Module):
        """`torch.where`, comparisons as masks, and clamps by tensors."""

        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 6), nn.Linear(6, 2)
            self.register_buffer("top", torch.rand(6) + 0.5)

        def forward(self, x: Any) -> Any:
            h = self.one(x)
            h = torch.where(h > 0, h, 0.2 * h)
            h = torch.minimum(h, self.top)
            return self.two(h * (h > -0.1).to(h.dtype))

    class Calls(nn.Module):
        """One function of torch between two layers."""

        def __init__(self, call: Callable[[Any], Any]) -> None:
            super().__init__()
            self.call, self.one, self.two = call, nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.two(self.call(self.one(x)))

    class Attention(nn.Module):
        """One head of attention: products of two values that are made from the input."""

        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return torch.softmax(self.q(x) @ self.k(x).transpose(1, 2) / 2, dim=-1) @ self.v(x)

    class Positions(nn.Module):
        """Learned positions added to tokens of a fixed count, a linear layer for each, and a vote by einsum."""

        def __init__(self) -> None:
            super().__init__()
            self.p, self.one = nn.Parameter(torch.randn(1, 3, 4)), nn.Linear(4, 5)
            self.vote = nn.Parameter(torch.randn(2, 5))

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.one(x + self.p.expand(x.size(0), -1, -1)))
            return torch.einsum("bti,oi->bo", h, self.vote)

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
        "mlp_silu": (lambda: mlp(5, 8, 3, bend=nn.SiLU), (5,)),
        "mlp_elu": (lambda: mlp(5, 8, 3, bend=nn.ELU), (5,)),
        "mlp_elu_half": (lambda: mlp(5, 8, 3, bend=lambda: nn.ELU(0.5)), (5,)),
        "mlp_selu": (lambda: mlp(5, 8, 3, bend=nn.SELU), (5,)),
        "mlp_celu": (lambda: mlp(5, 8, 3, bend=lambda: nn.CELU(0.7)), (5,)),
        "mlp_mish": (lambda: mlp(5, 8, 3, bend=nn.Mish), (5,)),
        "mlp_gelu_tanh": (lambda: mlp(5, 8, 3, bend=lambda: nn.GELU("tanh")), (5,)),
        "mlp_softplus": (lambda: mlp(5, 8, 3, bend=nn.Softplus), (5,)),
        "mlp_softplus_two": (lambda: mlp(5, 8, 3, bend=lambda: nn.Softplus(beta=2)), (5,)),
        "mlp_log_sigmoid": (lambda: mlp(5, 8, 3, bend=nn.LogSigmoid), (5,)),
        "mlp_softsign": (lambda: mlp(5, 8, 3, bend=nn.Softsign), (5,)),
        "mlp_tanhshrink": (lambda: mlp(5, 8, 3, bend=nn.Tanhshrink), (5,)),
        "mlp_softshrink": (lambda: mlp(5, 8, 3, bend=nn.Softshrink), (5,)),
        "mlp_hardshrink": (lambda: mlp(5, 8, 3, bend=nn.Hardshrink), (5,)),
        "mlp_threshold": (lambda: mlp(5, 8, 3, bend=lambda: nn.Threshold(0.1, 0.1)), (5,)),
        "mlp_glu": (lambda: nn.Sequential(nn.Linear(5, 8), nn.GLU(), nn.Linear(4, 2)), (5,)),
        "mlp_quick_gelu": (lambda: Calls(lambda h: h * torch.sigmoid(1.702 * h)), (4,)),
        "mlp_silu_double": (lambda: mlp(5, 8, 3, bend=nn.SiLU).double(), (5,)),
        "mlp_square": (lambda: Calls(lambda h: h**2), (4,)),
        "mlp_exp": (lambda: Calls(lambda h: torch.exp(-h.abs())), (4,)),
        "mlp_abs_sign": (lambda: Calls(lambda h: h.abs() + torch.sign(h)), (4,)),
        "mlp_norm": (lambda: Calls(lambda h: h / h.norm(dim=1, keepdim=True)), (4,)),
        "mlp_norm_one": (lambda: Calls(lambda h: h.abs().sum(1, keepdim=True).expand(-1, 6)), (4,)),
        "mlp_top": (lambda: Calls(lambda h: torch.sort(h, dim=1).values), (4,)),
        "mlp_round": (lambda: Calls(torch.round), (4,)),
        "mlp_logsumexp": (lambda: Calls(lambda h: h.view(-1, 2, 3).logsumexp(1).repeat(1, 2)), (4,)),
        "mlp_rolled": (lambda: Calls(lambda h: torch.roll(h, 2, dims=1).flip(1)), (4,)),
        "mlp_cumulated": (lambda: Calls(lambda h: torch.cumsum(h, dim=1)), (4,)),
        "mlp_clamped": (lambda: Calls(lambda h: h.clamp(max=0.5).clamp(-1.0, 2.0)), (4,)),
        "mlp_dims": (lambda: Calls(lambda h: h.unsqueeze(1).unsqueeze(-1).squeeze(1).squeeze(-1).clone()), (4,)),
        "mlp_split": (lambda: Calls(lambda h: torch.cat(h.split([1, 2, 3], dim=1)[::-1], dim=1)), (4,)),
        "mlp_deep": (lambda: mlp(6, 10, 10, 10, 10, 2), (6,)),
        "mlp_weight_norm": (
            lambda: nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Linear(5, 6)), nn.ReLU()),
            (5,),
        ),
        "mlp_group_norm": (lambda: nn.Sequential(nn.Linear(4, 4), nn.GroupNorm(2, 4), nn.ReLU()), (4,)),
        "batchnorm_first": (lambda: nn.Sequential(nn.BatchNorm1d(5), mlp(5, 6, 2)), (5,)),
        "batchnorm_plain": (
            lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.BatchNorm1d(6, affine=False), nn.Linear(6, 2)),
            (5,),
        ),
        "reduced": (Reduced, (4,)),
        "chosen": (Chosen, (4,)),
        "attention": (Attention, (3, 4)),
        "positions": (Positions, (3, 4)),
        "cnn_mobile": (lambda: Inverted(nn.ReLU6), (2, 5, 5)),
        "cnn_mobile_hard": (lambda: Inverted(nn.Hardswish), (2, 4, 4)),
        "cnn_silu": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.SiLU(), nn.AvgPool2d(2), width=8), (1, 6, 6)),
        "cnn_adaptive": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), width=8), (1, 6, 6)),
        "cnn_adaptive_max": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.AdaptiveMaxPool2d(1), width=2), (1, 6, 6)),
        "cnn_adaptive_uneven": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(3), width=18), (1, 6, 6)),
        "cnn_norm_power": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.LPPool2d(2, 2), width=8), (1, 6, 6)),
        "cnn_channels_drop": (
            lambda: cnn(nn.Conv2d(1, 2, 3), nn.Dropout2d(0.2), nn.PReLU(2), width=32),
            (1, 6, 6),
        ),
        "cnn_shuffle": (lambda: cnn(nn.Conv2d(1, 4, 3), nn.PixelShuffle(2), nn.ReLU(), width=64), (1, 6, 6)),
        "cnn_constant_pad": (lambda: cnn(nn.ConstantPad2d(1, 0.5), nn.Conv2d(1, 2, 3), nn.ReLU(), width=72), (1, 6, 6)),
        "cnn_same": (lambda: cnn(nn.Conv2d(1, 2, 4, padding="same"), nn.ReLU(), width=72), (1, 6, 6)),
        "cnn_replicated": (
            lambda: cnn(nn.Conv2d(1, 2, 3, padding=1, padding_mode="replicate"), nn.ReLU(), width=32),
            (1, 4, 4),
        ),
        "cnn_nearest": (lambda: cnn(nn.Upsample(scale_factor=2), nn.Conv2d(1, 2, 3), nn.ReLU(), width=72), (1, 4, 4)),
        "cnn_bilinear": (
            lambda: cnn(nn.Conv2d(1, 1, 3), nn.Upsample(size=(5, 6), mode="bilinear"), nn.ReLU(), width=30),
            (1, 5, 5),
        ),
        "cnn_transposed": (
            lambda: cnn(nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1), nn.ReLU(), width=192),
            (2, 4, 4),
        ),
        "cnn_instance_norm": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2), nn.ReLU(), width=32), (1, 6, 6)),
        "cnn_1d_strided": (
            lambda: cnn(nn.Conv1d(2, 3, 3, stride=2), nn.BatchNorm1d(3), nn.LeakyReLU(0.1), nn.AvgPool1d(2), width=3),
            (2, 8),
        ),
        "cnn_3d": (lambda: cnn(nn.Conv3d(1, 2, 2), nn.ReLU(), width=16), (1, 3, 3, 3)),
        "cnn_double": (lambda: cnn(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AvgPool2d(2), width=8).double(), (1, 6, 6)),
        "gru": (lambda: nn.GRU(3, 4, batch_first=True), (2, 3)),
        "lstm": (lambda: nn.LSTM(3, 4, batch_first=True), (5, 3)),
        "layer_norm": (lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU()), (4,)),
    }


SETS = {"torch": (11, 12, 13, 14, 15, 16, 17, 18), "dynamo": (18, 19, 20, 21)}
"""The operator sets of the files, one after the other."""


def write(folder: Path) -> None:
    import torch

    for exporter, sets in SETS.items():
        (folder / exporter).mkdir(exist_ok=True, parents=True)
        for number, (name, (make, shape)) in enumerate(modules().items()):
            torch.manual_seed(number)
            module = make().eval()
            for each in module.modules():
                if isinstance(each, torch.nn.modules.batchnorm._BatchNorm):
                    each.running_mean = torch.randn(each.num_features)
                    each.running_var = torch.rand(each.num_features) + 0.5
            path = folder / exporter / f"{name}.onnx"
            try:
                # A third of the files has a batch of one, without an open size.
                _export(module, shape, path, exporter == "dynamo", sets[number % len(sets)], number % 3 != 0)
            except Exception as error:
                print(f"{path}: not written: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
                continue
            if number % 4 == 1:
                _forget_names(path)


def _export(module: Any, shape: tuple[int, ...], path: Path, is_dynamo: bool, opset: int, is_open: bool) -> None:
    import torch

    kind = next((p.dtype for p in module.parameters()), torch.float32)
    example = torch.randn(2 if is_open else 1, *shape, dtype=kind)
    options: dict[str, Any] = {"input_names": ["input"], "output_names": ["output"], "dynamo": is_dynamo}
    if is_open and is_dynamo:
        options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif is_open:
        options["dynamic_axes"] = {"input": {0: "batch"}, "output": {0: "batch"}}
    torch.onnx.export(module, (example,), str(path), verbose=False, opset_version=opset, **options)


def _forget_names(path: Path) -> None:
    import onnx

    model = onnx.load(path)
    for node in model.graph.node:
        node.ClearField("name")
    onnx.save(model, path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    write(Path(sys.argv[1]))
