"""TensorFlow Quantum as a peer of the benchmarks: takes a step of one case for each line that it reads.

The first line is the case; "check" is answered by values and gradients, any other line when its step is done.
"""

import json
import sys

from check import step

run = step(json.loads(sys.stdin.readline()))
run()
for line in sys.stdin:
    found = run()
    answer = {name: array.tolist() for name, array in found.items()} if line.strip() == "check" else "done"
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
