"""Training zoos from recipes: networks of one shape train together as one batched network. Needs torch."""

from model_zoo.training.make import make_zoo, train_zoo

__all__ = ["make_zoo", "train_zoo"]
