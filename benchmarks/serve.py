"""Runs an ASGI server, and keeps the longest collection of garbage in a file of one double.

python serve.py FILE daphne … | uvicorn …      started by trees.py, in the checkout that is measured
"""

import gc
import mmap
import runpy
import sys
import time

_, path, server, *arguments = sys.argv
with open(path, "r+b") as file:
    longest = memoryview(mmap.mmap(file.fileno(), 8)).cast("d")
began = 0.0


def watch(phase: str, info: dict[str, int]) -> None:
    global began
    if phase == "start":
        began = time.perf_counter()
    else:
        longest[0] = max(longest[0], time.perf_counter() - began)


gc.callbacks.append(watch)
sys.argv = [server, *arguments]
runpy.run_module(server, run_name="__main__", alter_sys=True)
