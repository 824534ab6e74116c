"""Writes ONNX files with the tools that people use (PyTorch by both of its exporters, scikit-learn, Keras), and
imports them all:

    python tests/benchmarks/embedding/corpus.py FOLDER [--all]

The script makes an environment of its own in FOLDER/env (about 3 GB; torch without CUDA where pip offers it), installs
the tools there, and runs the scripts of `writers/` in it: FOLDER/torch/*.onnx, FOLDER/dynamo/*.onnx,
FOLDER/sklearn/*.onnx and FOLDER/keras/*.onnx. Then it runs `coverage.py FOLDER`. What is written already is left as it
is.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "scikit-learn", "skl2onnx", "tensorflow-cpu", "tf2onnx")
WRITERS = {"write_torch.py": "dynamo", "write_sklearn.py": "sklearn", "write_keras.py": "keras"}
"""The scripts, and the last folder that each of them writes."""


def main(folder: Path, *options: str) -> int:
    python = folder / "env" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "env", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    for script, last in WRITERS.items():
        if not any((folder / last).glob("*.onnx")):
            subprocess.run([python, HERE / "writers" / script, folder], check=True)
    root = {"PYTHONPATH": str(HERE.parents[2])}
    return subprocess.run([sys.executable, HERE / "coverage.py", folder, *options], env=root, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
