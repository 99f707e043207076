"""Results that appear whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isomorph._folders import flush, make_parents, new_draft


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder to write in; its files appear in `folder` when the block succeeds.

    The new folder lies beside `folder`, so that appearing is a rename. If the block fails, or is
    interrupted, nothing of it stays, and what `folder` held before is as it was. Files of an
    earlier run are replaced one by one, each at once; other files in `folder` are left alone.
    """
    folder = Path.cwd() / folder
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(20, "not a directory", str(folder))
    created = make_parents(folder.parent)
    draft = None
    try:
        draft = new_draft(folder)
        yield draft
        files = sorted(draft.iterdir())
        for file in files:
            flush(file)
        if folder.exists():
            for file in files:
                file.replace(folder / file.name)
            draft.rmdir()
        else:
            draft.rename(folder)
    except BaseException:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
        for parent in created:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
