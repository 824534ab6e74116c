"""ONNX files of models of Keras by tf2onnx: `python write_keras.py FOLDER`, where tensorflow and tf2onnx are.

Written as Keras itself does (`model.export(path, format="onnx")`), and from a `tf.function` in other operator sets.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}


def models() -> dict[str, Any]:
    import keras
    from keras import layers

    def chain(shape: tuple[int, ...], *parts: Any) -> Any:
        return keras.Sequential([keras.Input(shape), *parts])

    def bent(activation: Any) -> Any:
        return chain((5,), layers.Dense(8, activation=activation), layers.Dense(3))

    def residual() -> Any:
        x = keras.Input((6,))
        h = layers.Dense(6, activation="relu")(x)
        h = layers.Add()([x, layers.Dense(6)(h)])
        return keras.Model(x, layers.Dense(2)(layers.Activation("relu")(h)))

    def branches() -> Any:
        x = keras.Input((6,))
        parts = [layers.Dense(4, activation="relu")(x), layers.Dense(4)(x)]
        parts += [layers.Maximum()(parts), layers.Minimum()(parts), layers.Average()(parts), layers.Subtract()(parts)]
        return keras.Model(x, layers.Dense(2)(layers.Concatenate()(parts)))

    def mobile() -> Any:
        x = keras.Input((6, 6, 2))
        h = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(6, 1, use_bias=False)(x)))
        h = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(h)))
        h = layers.Add()([x, layers.Conv2D(2, 1)(h)])
        return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(h)))

    def normalised() -> Any:
        scaled = layers.Normalization(mean=[1.0, 2.0, 0.5, 0.0, -1.0], variance=[1.0, 4.0, 0.25, 1.0, 2.0])
        return chain((5,), scaled, layers.Dense(8, activation="relu"), layers.Dense(1))

    activations = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_sigmoid", "softplus", "elu", "selu")
    activations += ("silu", "gelu", "hard_silu", "mish", "celu", "softsign", "hard_tanh", "hard_shrink", "soft_shrink")
    activations += ("exponential", "log_softmax", "linear", "squareplus")
    made: dict[str, Any] = {
        **{f"mlp_{name}": bent(name) for name in activations},
        "mlp_softmax": chain((5,), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")),
        "mlp_logistic": chain((5,), layers.Dense(8, activation="relu"), layers.Dense(1, activation="sigmoid")),
        "mlp_prelu": chain((5,), layers.Dense(8), layers.PReLU(alpha_initializer="random_uniform"), layers.Dense(2)),
        "mlp_batchnorm": chain((5,), layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dense(2)),
        "mlp_dropout": chain((5,), layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(2)),
        "mlp_rescaled": chain((5,), layers.Rescaling(0.5, -1.0), layers.Dense(8, activation="relu"), layers.Dense(2)),
        "mlp_normalised": normalised(),
        "mlp_rows": chain((4, 3), layers.Dense(5, activation="relu"), layers.Flatten(), layers.Dense(2)),
        "mlp_layer_norm": chain((5,), layers.Dense(4), layers.LayerNormalization(), layers.Dense(2)),
        "residual": residual(),
        "branches": branches(),
        "cnn": chain(
            *((8, 8, 1), layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()),
            layers.Dense(4),
        ),
        "cnn_same": chain(
            *((8, 8, 2), layers.Conv2D(3, 3, strides=2, padding="same", activation="relu"), layers.Flatten()),
            layers.Dense(4),
        ),
        "cnn_average": chain(
            *((7, 7, 1), layers.Conv2D(2, 2), layers.AveragePooling2D(3, 2, padding="same"), layers.Flatten()),
            layers.Dense(2),
        ),
        "cnn_separable": chain(
            *((6, 6, 2), layers.SeparableConv2D(3, 3, activation="relu"), layers.GlobalMaxPooling2D()), layers.Dense(2)
        ),
        "cnn_dilated": chain((8, 8, 1), layers.Conv2D(2, 3, dilation_rate=2), layers.ReLU(), layers.Flatten()),
        "cnn_padded": chain(
            *((5, 5, 1), layers.ZeroPadding2D(1), layers.Conv2D(2, 3), layers.Cropping2D(1), layers.ReLU()),
            layers.Flatten(),
        ),
        "cnn_mobile": mobile(),
        "cnn_1d": chain(
            *((8, 2), layers.Conv1D(3, 3, padding="same", activation="relu"), layers.MaxPooling1D(), layers.Flatten()),
            layers.Dense(2),
        ),
        "cnn_causal": chain((8, 2), layers.Conv1D(3, 3, padding="causal", activation="relu"), layers.Flatten()),
        "cnn_upsampled": chain((4, 4, 1), layers.UpSampling2D(2), layers.Conv2D(2, 3), layers.ReLU(), layers.Flatten()),
        "cnn_transposed": chain((4, 4, 2), layers.Conv2DTranspose(2, 3, strides=2), layers.ReLU(), layers.Flatten()),
        "cnn_moved": chain((4, 3), layers.Permute((2, 1)), layers.Reshape((12,)), layers.Dense(3), layers.ReLU()),
        "lstm": chain((3, 2), layers.LSTM(3)),
    }
    return made


def write(folder: Path) -> None:
    import keras
    import numpy as np
    import tensorflow as tf
    import tf2onnx

    (folder / "keras").mkdir(exist_ok=True, parents=True)
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    for number, (name, model) in enumerate(models().items()):
        path = folder / "keras" / f"{name}.onnx"
        model(np.zeros((1, *model.input_shape[1:]), dtype=np.float32))
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                size = layer.gamma.shape
                layer.set_weights([*random.normal(size=(3, *size)), np.full(size, 1.3)])
        try:
            if number % 3 == 0:
                model.export(path, format="onnx", verbose=False)
                continue
            rows = 1 if number % 3 == 2 else None
            given = [tf.TensorSpec((rows, *model.input_shape[1:]), tf.float32, name="input")]
            call = tf.function(lambda x, model=model: model(x, training=False), input_signature=given)
            tf2onnx.convert.from_function(call, given, opset=(11, 13, 16, 18)[number % 4], output_path=str(path))
        except Exception as error:
            print(f"{path}: not written: {type(error).__name__}: {str(error).splitlines()[0][:100]}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    write(Path(sys.argv[1]))
