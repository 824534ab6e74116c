"""The ways of `nnmip verify`: an option of another way is an error that says where it belongs."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from nnmip.cli.verify import command

NOTHING = "no.nnm"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((NOTHING, "--witness", "w.txt"), "`--witness` needs `--vnnlib`"),
        ((NOTHING, "--network", "f=f.onnx"), "`--network` needs `--vnnlib`"),
        ((NOTHING, "--radius", "eps=0..1:0.1"), "`--radius` needs `--over`"),
        ((NOTHING, "--jobs", "2"), "`--jobs` needs `--instances` or `--over`"),
        ((NOTHING, "--executor", "processes"), "`--executor` needs `--instances` or `--over`"),
        ((NOTHING, "--results", "a.csv"), "`--results` needs `--instances` or `--over`"),
        ((NOTHING, "--vnnlib-version", "1.0"), "`--vnnlib-version` needs `--write-vnnlib`"),
        ((NOTHING, "--over", "t.csv", "--json"), "`--json` does not go with `--over`"),
        ((NOTHING, "--over", "t.csv", "--save", "d"), "`--save` does not go with `--over`"),
        ((NOTHING, "--over", "t.csv", "--witness", "w"), "`--witness` does not go with `--over`; it needs `--vnnlib`"),
        (("--vnnlib", NOTHING, "-D", "eps=1"), "`--define` does not go with `--vnnlib`"),
        (("--vnnlib", NOTHING, "--property", "low"), "`--property` does not go with `--vnnlib`"),
        (("--instances", "t.csv", "--explain"), "`--explain` does not go with `--instances`"),
        (("--instances", "t.csv", NOTHING), "`--instances` names all files itself"),
        ((NOTHING, "--write-vnnlib", "d", "--seed", "1"), "`--seed` does not go with `--write-vnnlib`"),
        ((NOTHING, "--vnnlib", "--over", "t"), "`--vnnlib` and `--over` ask different things; give one of them"),
        ((NOTHING, NOTHING), "one model is expected, not 2"),
        ((), "one model is expected, not 0"),
        ((NOTHING,), "cannot read `no.nnm`: no such file or directory"),
        ((NOTHING, "--over", "t.csv"), "cannot read `no.nnm`: no such file or directory"),
        ((NOTHING, "--write-vnnlib", "d"), "cannot read `no.nnm`: no such file or directory"),
        (("--instances", "no.csv"), "cannot read `no.csv`: no such file or directory"),
        (("--vnnlib", "no.vnnlib"), "name the network, too: `nnmip verify --vnnlib net.onnx query.vnnlib`"),
    ],
)
def test_an_option_of_another_way(arguments: tuple[str, ...], said: str) -> None:
    found = CliRunner().invoke(command, arguments)
    assert (found.exit_code, found.stderr.splitlines()[-1]) == (2, f"Error: {said}")
