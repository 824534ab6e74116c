"""Tables from files: reading, filtering, coding, scaling, and the exact grid of a column."""

from nnmip.data.csv import read_csv
from nnmip.data.dataset import Dataset, build_dataset, stand_in
from nnmip.data.filter import filter_rows
from nnmip.data.grid import column_grids, decimal_grid
from nnmip.data.groups import GroupColumn
from nnmip.data.inputs import InputColumn
from nnmip.data.labels import LabelCode, LabelColumn, codes_of, encode_labels, levels_of
from nnmip.data.missing import MissingRule
from nnmip.data.scaling import ScaleChoice, Scaling, ScalingKind, fit, no_scaling
from nnmip.data.spec import FeatureColumn, TableSpec, TargetColumn, WeightRule
from nnmip.data.split import SplitRule
from nnmip.data.table import RawTable, column_position, numeric_column
from nnmip.data.weights import sample_weights, weight_columns

__all__ = [
    "Dataset",
    "FeatureColumn",
    "GroupColumn",
    "InputColumn",
    "LabelCode",
    "LabelColumn",
    "MissingRule",
    "RawTable",
    "ScaleChoice",
    "Scaling",
    "ScalingKind",
    "SplitRule",
    "TableSpec",
    "TargetColumn",
    "WeightRule",
    "build_dataset",
    "codes_of",
    "column_grids",
    "column_position",
    "decimal_grid",
    "encode_labels",
    "filter_rows",
    "fit",
    "levels_of",
    "no_scaling",
    "numeric_column",
    "read_csv",
    "sample_weights",
    "stand_in",
    "weight_columns",
]
