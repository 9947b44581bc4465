"""Who holds the interpreter's lock, by room: a table of what py-spy has recorded.

py-spy record --gil --format raw --output raw.txt --pid PID; python -m benchmarks.rooms raw.txt
"""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

# What the path of a file has in it, and whose that is. The first that fits counts.
ROOMS = {
    "realtime/access": "ours: access",
    "realtime/serving": "ours: serving",
    "realtime/hub": "ours: hub",
    "realtime/": "ours: views, asgi, topics, settings",
    "orders/": "the shop",
    "config/": "the shop",
    "psycopg": "psycopg",
    "django/db": "Django: ORM",
    "django/": "Django: middleware, URLs, requests, signals",
    "rest_framework": "tokens",
    "jwt/": "tokens",
    "csp/": "django-csp",
    "axes/": "django-axes",
    "asgiref": "asgiref",
    "daphne": "daphne",
    "twisted": "Twisted",
    "uvicorn": "uvicorn",
    "h11": "h11",
    "asyncio/": "asyncio",
}
LEAST_PERCENT = 1.0


def shares(lines: Iterable[str]) -> Counter[tuple[str, str]]:
    """How many samples each place and room has.

    lines: `frame;frame;… samples`, the outermost frame first. What the standard library does is
    whoever's has called it.
    """
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        stack, _, samples = line.rstrip().rpartition(" ")
        frames = stack.split(";")
        is_thread = any("_bootstrap_inner" in frame for frame in frames)
        place = "threads" if is_thread else "event loop"
        found[place, _room(frames)] += int(samples)
    return found


def _room(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, room in ROOMS.items():
            if part in frame:
                return room
    return "Python"


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    found = shares(Path(sys.argv[1]).read_text().splitlines())
    for (place, room), samples in found.most_common():
        percent = 100 * samples / found.total()
        if percent >= LEAST_PERCENT:
            print(f"{percent:5.1f} %  {place:10}  {room}")


if __name__ == "__main__":
    main()
