"""Times a command from a small process: getrusage counts the memory of the process that starts another, too."""

import json
import resource
import subprocess
import sys
from time import perf_counter

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which getrusage counts memory."""

started = perf_counter()
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
seconds = perf_counter() - started
if done.returncode:
    sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * PEAK_UNIT / 1e6
print(json.dumps({"seconds": seconds, "peak_megabytes": peak, "output": done.stdout}))
