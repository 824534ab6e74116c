"""Messages to the user: model, codes, renderers."""

from nnmip.diagnostics.model import Diagnostic, DiagnosticError, Diagnostics, Label, Severity

__all__ = ["Diagnostic", "DiagnosticError", "Diagnostics", "Label", "Severity"]
