"""An exported model: the ONNX file, the classifier that runs it, and how fast it answers. Nothing here reaches torch."""
