"""Imports networks that were trained elsewhere as a zoo: tasks in PGDL's format, and folders of PyTorch weights.

`pgdl.import_pgdl` and `weight_folder.import_torch` need torch; `import_process.import_in_child` runs either in a child
process and is what commands and pages call. TensorFlow is not needed. docs/import.md is the manual.
"""
