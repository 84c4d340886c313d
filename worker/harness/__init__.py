"""The only code of ours that runs inside a sandbox. Imports nothing of ours but `model_zoo.architectures`."""
