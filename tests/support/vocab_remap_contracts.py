"""The public functions of remaps and of stored tables: they take ids, paths, rows of any type."""

_FILES = "takes paths; tests/unit/test_remap_file.py"
_TABLE = "reads a file; tests/unit/test_remap_gather.py, test_checkpoint_tensors.py"

REMAPS = {
    "Table.floats": _TABLE,
    "Table.mapped": _TABLE,
    "Table.take_rows": _TABLE,
    "vocab.open_table": _TABLE,
    "vocab.remap_file": _FILES,
}
