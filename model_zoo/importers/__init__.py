"""From networks trained elsewhere to a zoo folder: PGDL's own format, and folders of PyTorch weights.

`pgdl.import_pgdl` and `weight_folder.import_torch` need torch; `child.import_in_child` runs either in a process of its
own and is what commands and pages call. Nothing here needs TensorFlow. docs/import.md is the manual.
"""
