"""VNN-LIB: queries of the verification community over networks in ONNX files, read, decided and written."""
