"""The operator's call as one node of a program.

torch loads its compiler for this module, which takes seconds: import it where a program is made.
"""

import torch

from qproj import operator

call = torch.compiler.allow_in_graph(operator.call)  # type: ignore[no-untyped-call]
