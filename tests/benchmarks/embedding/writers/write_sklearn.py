"""ONNX files of models of scikit-learn by skl2onnx: `python write_sklearn.py FOLDER`, in an environment with both.

Networks and linear models, alone and in pipelines, and models that are no networks, which must be refused; in several
operator sets, in single and double precision, with probabilities as tensors and as maps (`ZipMap`).
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any


def write(folder: Path) -> None:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn import (
        compose,
        decomposition,
        discriminant_analysis,
        ensemble,
        feature_selection,
        gaussian_process,
        impute,
        linear_model,
        multiclass,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )
    from sklearn.datasets import make_classification, make_regression

    (folder / "sklearn").mkdir(exist_ok=True, parents=True)
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
        "forest": (ensemble.RandomForestRegressor(5, max_depth=3, random_state=0), Z, t),
        "boosted": (ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0), X, y),
        "neighbours": (neighbors.KNeighborsRegressor(3), Z, t),
        "gaussian_process": (gaussian_process.GaussianProcessRegressor(), Z, t),
        "naive_bayes": (naive_bayes.GaussianNB(), X, y),
        "mlp_relu_deep": (regress(hidden_layer_sizes=(8, 6, 4), **quick), *two),
        "mlp_labels": (classify(hidden_layer_sizes=(6,), **quick), many[0], np.array(["a", "b", "c"])[many[1]]),
        "mlp_many_labels": (classify(hidden_layer_sizes=(6,), **quick), X, np.stack([y, 1 - y, y], axis=1)),
        "pca_mlp": (scaled(decomposition.PCA(4), regress(hidden_layer_sizes=(6,), **quick)), Z, t),
        "quantile_linear": (linear_model.QuantileRegressor(alpha=0.1), Z, t),
        "elastic_net": (linear_model.ElasticNet(), Z, t),
        "huber": (linear_model.HuberRegressor(), Z, t),
        "poisson": (linear_model.PoissonRegressor(), Z, np.abs(t)),
        "ridge_classifier": (linear_model.RidgeClassifier(), X, y),
        "discriminant": (discriminant_analysis.LinearDiscriminantAnalysis(), *many),
        "one_against_rest": (multiclass.OneVsRestClassifier(linear_model.LogisticRegression()), *many),
        "polynomial": (scaled(preprocessing.PolynomialFeatures(2), linear_model.Ridge()), Z, t),
        "binarized": (scaled(preprocessing.Binarizer(threshold=0.3), linear_model.Ridge()), Z, t),
        "row_scaled": (scaled(preprocessing.Normalizer(), linear_model.Ridge()), Z, t),
        "selected": (scaled(feature_selection.SelectKBest(k=3), regress(hidden_layer_sizes=(5,), **quick)), Z, t),
        "imputed": (scaled(impute.SimpleImputer(), regress(hidden_layer_sizes=(5,), **quick)), Z, t),
        "columns": (
            scaled(
                compose.ColumnTransformer(
                    [("a", preprocessing.StandardScaler(), [0, 1, 2]), ("b", preprocessing.MinMaxScaler(), [3, 4])]
                ),
                regress(hidden_layer_sizes=(5,), **quick),
            ),
            *(Z, t),
        ),
        "union": (
            scaled(
                pipeline.make_union(preprocessing.StandardScaler(), preprocessing.MaxAbsScaler()),
                classify(hidden_layer_sizes=(5,), **quick),
            ),
            *(X, y),
        ),
        "scaled_target": (
            compose.TransformedTargetRegressor(
                regress(hidden_layer_sizes=(5,), **quick), transformer=preprocessing.StandardScaler()
            ),
            *(Z, t),
        ),
        "stacked": (
            ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", regress(hidden_layer_sizes=(4,), **quick))]),
            *(Z, t),
        ),
        "voting": (
            ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", regress(hidden_layer_sizes=(4,), **quick))]),
            *(Z, t),
        ),
    }
    for number, (name, (model, data, labels)) in enumerate(models.items()):
        kind = np.float64 if number % 5 == 4 else np.float32
        model.fit(data, labels)
        is_classifier = hasattr(model, "classes_") and number % 2 == 0
        options = {id(model): {"zipmap": False}} if is_classifier else None
        try:
            onx = to_onnx(
                model, data[:1].astype(kind), options=options, target_opset={"": 12 + number % 8, "ai.onnx.ml": 3}
            )
        except Exception as error:
            print(f"{name}: not written: {type(error).__name__}: {str(error).splitlines()[0]}"[:150])
            continue
        (folder / "sklearn" / f"{name}.onnx").write_bytes(onx.SerializeToString())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    write(Path(sys.argv[1]))
