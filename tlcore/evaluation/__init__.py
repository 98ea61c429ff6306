"""How good a classifier is: a bundle or an ONNX file measured on labelled images it was not trained on.

`evaluate` makes an `Evaluation`, `evaluation_page` a page of it, `write_plots` its pictures.
"""

from tlcore.evaluation.options import EvaluateOptions
from tlcore.evaluation.page import evaluation_page
from tlcore.evaluation.plots import write_plots
from tlcore.evaluation.result import Evaluation
from tlcore.evaluation.run import evaluate

__all__ = ["EvaluateOptions", "Evaluation", "evaluate", "evaluation_page", "write_plots"]
