"""A transfer for programs without Python: one step as an ONNX graph, and the targets of a style as a file."""

from nst.export.step import export_onnx
from nst.export.style import export_style, read_style

__all__ = ["export_onnx", "export_style", "read_style"]
