"""Engines: the ways this machine has of running a backbone, and which of them is used.

| engine | runs | when `auto` takes it |
|---|---|---|
| ``backbone`` | `Backbone.features` as its plugin wrote it, float32 | small jobs, and networks that torch does not know |
| ``openvino`` | OpenVINO, one thread a call: bfloat16 if features agree, or float32 | where it is installed |
| ``onnx`` | ONNX Runtime, float32, one thread an image | convolutional networks |
| ``torch`` | torch on the GPU, or bfloat16 where the processor has it | a GPU; attention networks |
"""

from tlcore.engines.choice import ENGINES, Choice, EngineRequest, choose_engine
from tlcore.engines.engine import Engine, own_engine

__all__ = ["ENGINES", "Choice", "Engine", "EngineRequest", "choose_engine", "own_engine"]
