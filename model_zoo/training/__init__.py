"""Training the zoos of recipes. This package imports no torch by itself.

`make` trains in this process and needs torch. `training_process` and `trained_zoos` run the training in a child
process, and are what commands, pages and background jobs call.
"""
