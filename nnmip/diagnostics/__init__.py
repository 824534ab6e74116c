"""Messages to the user: model, codes, renderers."""

from nnmip.diagnostics.edit import Edit
from nnmip.diagnostics.model import Diagnostic, DiagnosticError, Diagnostics, Label, Severity

__all__ = ["Diagnostic", "DiagnosticError", "Diagnostics", "Edit", "Label", "Severity"]
