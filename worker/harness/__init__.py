"""The only code of ours that runs inside a sandbox. It imports nothing else of ours but `model_zoo.architectures`."""
