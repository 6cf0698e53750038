"""What a pass costs: time, processor, memory."""

import resource
import sys
import time
from collections.abc import Sequence

from tristream.features.core.feature_file import Cost

# ru_maxrss is in KiB on Linux and in bytes on macOS.
PER_MB = 1e6 if sys.platform == "darwin" else 1e3 / 1.024


class Meter:
    """Measures from when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._cpu = time.process_time()

    def cost(self, layers: Sequence[str]) -> Cost:
        """What was spent since, on all of `layers` together."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Cost(
            layers=tuple(layers),
            seconds=round(time.perf_counter() - self._began, 3),
            cpu_seconds=round(time.process_time() - self._cpu, 3),
            memory=round(usage.ru_maxrss / PER_MB, 1),
        )
