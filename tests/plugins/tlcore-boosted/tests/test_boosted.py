from typing import ClassVar

import numpy as np
import torch
from sklearn.ensemble import GradientBoostingClassifier
from tlcore_boosted.module import TreesModule
from tlcore_boosted.trees import Trees

from tlcore.testing import HeadConformance, PluginConformance


class TestPlugin(PluginConformance):
    name = "boosted"


class TestBoosted(HeadConformance):
    name = "boosted"
    options: ClassVar = {"trees": 20}


def test_trees_say_what_scikit_learn_says_and_the_module_says_the_same() -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((60, 5)).astype(np.float32)
    for classes in (2, 3):
        labels = np.arange(60) % classes
        model = GradientBoostingClassifier(n_estimators=7, random_state=0).fit(features, labels)
        trees = Trees.of(model, classes)
        logits = trees.logits(features)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probabilities, model.predict_proba(features), atol=1e-6)
        np.testing.assert_allclose(TreesModule(trees)(torch.from_numpy(features)).numpy(), logits, atol=1e-6)
