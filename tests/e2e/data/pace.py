"""pace.py CLIENT LINES PER_SECOND NOTE

Says its numbered lines at a steady pace, each by one write(2) that waits until it is taken, and
leaves in NOTE what became of that. The lines are those of tests/e2e/support/lines.rs.
"""

import json
import os
import sys
import time

client, lines, per_second = map(int, sys.argv[1:4])
letters = bytes(97 + (at * at + at // 7) % 26 for at in range(3 * 26 + 103))
beginning = b"%05d " % client


def line(number):
    start = (client * 31 + number) % 78
    return beginning + b"%09d " % number + letters[start : start + 103] + b"\n"


begin = time.monotonic()
longest, taken, error = 0.0, 0, None
try:
    while taken < lines:
        before = time.monotonic()
        due = min(lines, int((before - begin) * per_second) + 1)
        for number in range(taken, due):
            os.write(1, line(number))
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            taken = number + 1
        time.sleep(0.001)
except OSError as failed:
    error = failed.strerror
seconds = time.monotonic() - begin
note = {"taken": taken, "seconds": seconds, "longest_wait": longest, "error": error}
with open(sys.argv[4], "w") as file:
    json.dump(note, file)
