# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.fuzz.guided RUNS [PARSER]``: coverage-guided fuzzing of the parsers, by atheris (libFuzzer).

libFuzzer ends its process, so every parser gets one of its own. What it finds is left in build/fuzz.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_TIMEOUT = 10  # seconds for one input: a hang is a finding
_LONGEST = 4096
_FINDINGS = Path("build/fuzz")


def fuzz(name: str, runs: int) -> None:
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["ansible_collections"]):
        from tests.fuzz import parsers
    with tempfile.TemporaryDirectory(prefix="overc-corpus-") as corpus:
        for number, seed in enumerate(parsers.seeds(name)):
            Path(corpus, f"{number}").write_bytes(seed[:_LONGEST])
        options = [
            f"-runs={runs}",
            f"-timeout={_TIMEOUT}",
            f"-max_len={_LONGEST}",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup(
            [sys.argv[0], corpus, *options, f"-artifact_prefix={_FINDINGS}/{name}-"],
            lambda data: parsers.survives(name, data),
        )
        atheris.Fuzz()


def main(arguments: list[str]) -> int:
    _FINDINGS.mkdir(parents=True, exist_ok=True)
    if len(arguments) == 2:
        fuzz(arguments[1], int(arguments[0]))
        return 0
    from tests.fuzz.parsers import PARSERS

    failed, total = [], 0
    for name in PARSERS:
        argv = [sys.executable, "-m", "tests.fuzz.guided", arguments[0], name]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
        counted = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        total += int(counted[0]) if counted else 0
        if done.returncode != 0 or not counted:
            failed.append(name)
            print(f"{name}: {(done.stdout + done.stderr)[-3000:]}")
    print(f"fuzz: {total} runs of {len(PARSERS)} parsers, {len(failed)} with findings {failed or ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
