"""Recipes of a few small networks, which train in a moment."""

from model_zoo.recipes import Recipe

BASE = {
    "name": "tiny",
    "title": "Tiny",
    "text": "",
    "licence": "CC0-1.0",
    "citation": "",
    "seed": 11,
    "dataset": {"name": "digits", "training_size": 50},
    "training": {"momentum": 0.9, "stop_loss": 0.2, "max_epochs": 12},
}

TINY_MLP = Recipe.model_validate(
    BASE
    | {
        "family": "mlp",
        "training": {"momentum": 0.9, "stop_loss": 0.6, "max_epochs": 12},
        "fixed": {"init_scale": 1.0, "batch_size": 16},
        "axes": {
            "width": [8, 16],
            "depth": [1, 2],
            "learning_rate": [0.02, 0.1],
            "weight_decay": [0.0, 0.01],
            "dropout": [0.0, 0.25],
        },
    }
)
TINY_CNN = Recipe.model_validate(
    BASE
    | {
        "family": "cnn",
        "fixed": {"init_scale": 1.0, "depth": 3, "width": 4, "weight_decay": 0.001},
        "axes": {
            "batch_norm": [False, True],
            "batch_size": [10, 25],
            "learning_rate": [0.01, 0.05],
            "dropout": [0.0, 0.25],
        },
    }
)
# Dropout follows convolutions here.
TINY_NIN = Recipe.model_validate(
    BASE
    | {
        "family": "nin",
        "training": {"momentum": 0.9, "stop_loss": 2.28, "max_epochs": 10},
        "fixed": {"init_scale": 1.0, "depth": 3, "width": 8, "dense": "", "weight_decay": 0.0, "batch_size": 10},
        "axes": {"learning_rate": [0.003, 0.05], "dropout": [0.0, 0.25]},
    }
)
