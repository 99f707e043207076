#!/usr/bin/env python3
"""Write THIRD-PARTY-NOTICES.txt: the licences of every crate that the compiled module is built of.

Usage: python .ci/notices.py [--check]

The list comes from `cargo metadata` on the committed Cargo.lock: the normal dependencies of the
bindings, on every platform. Where a crate offers MIT among others, its MIT text is the one taken.
With --check nothing is written; the exit status says whether the file is up to date.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTICES = ROOT / "THIRD-PARTY-NOTICES.txt"
BINDINGS = "isomorph-bindings"
LICENCE_FILE = re.compile(r"^(licen[cs]e|copying|notice|unlicense)", re.IGNORECASE)
RULE = "=" * 88


def mit_conditions() -> str:
    """Return the conditions of the MIT licence, as our own file has them."""
    text = (ROOT / "LICENSE-MIT").read_text(encoding="utf8")
    return text[text.index("Permission") :].strip()


def linked_crates() -> list[dict[str, Any]]:
    """Return the crates reached from the bindings by normal dependencies, ours left out."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    metadata = json.loads(answer.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [name for name, package in packages.items() if package["name"] == BINDINGS]
    reached: set[str] = set()
    while waiting:
        current = waiting.pop()
        if current in reached:
            continue
        reached.add(current)
        waiting += [
            dependency["pkg"]
            for dependency in nodes[current]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
    crates = [packages[name] for name in reached if packages[name]["source"] is not None]
    return sorted(crates, key=lambda crate: (crate["name"], crate["version"]))


def licence_texts(crate: dict[str, Any]) -> list[str]:
    """Return the texts to carry for one crate."""
    folder = Path(crate["manifest_path"]).parent
    files = sorted(file for file in folder.iterdir() if LICENCE_FILE.match(file.name))
    expression = crate["license"] or ""
    if "MIT" in expression:
        files = [file for file in files if "MIT" in file.name.upper()] or files
    texts = [file.read_text(encoding="utf8", errors="replace") for file in files if file.is_file()]
    texts = ["\n".join(line.rstrip() for line in text.strip().splitlines()) for text in texts]
    if "MIT" in expression and not any("free of charge" in text.lower() for text in texts):
        authors = ", ".join(re.sub(r"\s*<.*?>", "", author) for author in crate["authors"])
        holder = authors or f"the authors of {crate['name']}"
        texts.append(f"Copyright (c) {holder}\n\n{mit_conditions()}")
    if not texts:
        raise SystemExit(f"{crate['name']} {crate['version']}: no licence text ({expression})")
    return texts


def notices() -> str:
    """Return the whole file: each text once, under the crates that it covers."""
    crates = linked_crates()
    covered: dict[str, list[str]] = defaultdict(list)
    for crate in crates:
        for text in licence_texts(crate):
            covered[text].append(f"{crate['name']} {crate['version']}")
    lines = [
        "The compiled module of isomorph contains the Rust crates below, under their own licences.",
        "Made by .ci/notices.py from Cargo.lock; do not edit by hand.",
        "",
    ]
    width = max(len(f"{crate['name']} {crate['version']}") for crate in crates)
    for crate in crates:
        title = f"{crate['name']} {crate['version']}"
        lines.append(f"{title:<{width}}  {crate['license']}  {crate['repository'] or ''}".rstrip())
    lines += [
        "",
        "The Rust standard library is linked in as well, under MIT or Apache-2.0 (The Rust Project",
        "Contributors, https://www.rust-lang.org).",
    ]
    for text, names in sorted(covered.items(), key=lambda item: item[1]):
        lines += ["", RULE, *names, RULE, "", text]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the file, or compare."""
    text = notices()
    if "--check" not in sys.argv[1:]:
        NOTICES.write_text(text, encoding="utf8")
        return 0
    if NOTICES.is_file() and NOTICES.read_text(encoding="utf8") == text:
        return 0
    print(f"{NOTICES.name} is out of date; run: python .ci/notices.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
