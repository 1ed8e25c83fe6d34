"""Writes down when each token of a caption comes."""

from __future__ import annotations

import time
from typing import Any

from transformers.generation.streamers import BaseStreamer


class Clock(BaseStreamer):
    """A streamer; what is put first is the prompt."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Any) -> None:  # noqa: ARG002
        """See `BaseStreamer`."""
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """See `BaseStreamer`."""
