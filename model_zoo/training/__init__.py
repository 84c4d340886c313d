"""Training zoos from recipes: networks of one shape train together as one batched network. Needs torch."""

from model_zoo.training.make import make_zoo, train_zoo
from model_zoo.training.pool import Progress

__all__ = ["Progress", "make_zoo", "train_zoo"]
