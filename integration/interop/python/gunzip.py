"""Decompresses standard input with Python's gzip, for the tests."""

import gzip
import shutil
import sys

with gzip.open(sys.stdin.buffer) as batch:
    shutil.copyfileobj(batch, sys.stdout.buffer)
