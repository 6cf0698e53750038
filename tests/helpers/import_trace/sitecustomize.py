"""Write down which modules of the package a process imported; Python runs this file at its start.

It works only where TRISTREAM_IMPORT_TRACE names a folder; `helpers.small_study` sets that for the
jobs of the finished study.
"""

import atexit
import json
import os
import sys


def _write() -> None:
    modules = sorted(name for name in sys.modules if name.split(".")[0] == "tristream")
    if modules:
        path = os.path.join(os.environ["TRISTREAM_IMPORT_TRACE"], f"{os.getpid()}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"argv": sys.argv, "modules": modules}, file)


if "TRISTREAM_IMPORT_TRACE" in os.environ:
    atexit.register(_write)
