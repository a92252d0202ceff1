#!/usr/bin/env python3
"""Plays odd and broken requests over sockets to an awaithumans server, and tells what came back, byte for byte.

  raw_http.py record PORT FILE             writes the corpus and what the server on PORT answers, a line of JSON each
  raw_http.py compare PORT FILE            plays FILE's requests to the server on PORT; exit 1 if it answers differently
  raw_http.py random PORT_A PORT_B SEED N  changes the corpus' requests at random, and plays each to both servers

A line of FILE: `name`; `steps`, each {"send": text} with "times" if more than once, {"wait": true} or {"half_close": true}; `got`, what had
come at each wait and what came in the end; `ends`: true if the server closed the connection by itself; `probe`, what a proper
request gets on a connection that is left open ("" for nothing, null if there was no probe). A sign of a text is a byte. Dates, request ids
and the server's port are replaced by names in braces.
"""
import json
import random
import re
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import corpus

# How long a server says nothing before it is taken for quiet, in seconds.
QUIET = 1.0
PROBE = b"GET /api/version HTTP/1.1\r\nHost: probe\r\n\r\n"
NAMES = [
    (re.compile(rb"(?m)^(date: )[^\r]*", re.I), rb"\1{date}"),
    (re.compile(rb"(expires=)[^;]*;"), rb"\1{date};"),
    (re.compile(rb"(?m)^(x-request-id: )[0-9a-f]{16}\r"), rb"\1{request id}\r"),
]


def play(port, steps):
    """-> (got, ends, probe)"""
    with socket.create_connection(("127.0.0.1", port), timeout=QUIET) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got, ends, half_closed = [], False, False
        for step in steps:
            if step == corpus.WAIT:
                answer, ends = hear(connection)
                got.append(answer)
            elif step == corpus.HALF_CLOSE:
                half_closed = True
                try:
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            else:
                try:
                    connection.sendall(step[0] * step[1] if isinstance(step, tuple) else step)
                except OSError:
                    pass
        answer, ends = hear(connection) if not ends else (b"", True)
        got.append(answer)
        probe = None
        if not ends and not half_closed:
            try:
                connection.sendall(PROBE)
                probe, _ = hear(connection)
            except OSError:
                probe = b"(the connection broke)"
        return [named(part) for part in got], ends, None if probe is None else named(probe)


def hear(connection):
    """What comes until it is quiet -> (bytes, whether the connection has ended)"""
    heard = b""
    while True:
        try:
            piece = connection.recv(1 << 16)
        except TimeoutError:
            return heard, False
        except ConnectionError:
            return heard, True
        if not piece:
            return heard, True
        heard += piece


def named(answer):
    for pattern, name in NAMES:
        answer = pattern.sub(name, answer)
    return answer.decode("latin-1")


def to_json(step):
    if step == corpus.WAIT:
        return {"wait": True}
    if step == corpus.HALF_CLOSE:
        return {"half_close": True}
    if isinstance(step, tuple):
        return {"send": step[0].decode("latin-1"), "times": step[1]}
    return {"send": step.decode("latin-1")}


def from_json(step):
    if "wait" in step:
        return corpus.WAIT
    if "half_close" in step:
        return corpus.HALF_CLOSE
    sent = step["send"].encode("latin-1")
    return (sent, step["times"]) if "times" in step else sent


def record(port, file):
    def one(case):
        # Thrice: what depends on chance is no fact.
        plays = [play(port, case[1]) for _ in range(3)]
        return plays[0], all(other == plays[0] for other in plays)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(one, corpus.CORPUS))
    written = 0
    with open(file, "w", encoding="utf-8") as out:
        for (name, steps), ((got, ends, probe), stable) in zip(corpus.CORPUS, answers):
            if not stable:
                print(f"left out, it differs from time to time: {name}")
                continue
            line = {"name": name, "steps": [to_json(step) for step in steps], "got": got, "ends": ends, "probe": probe}
            out.write(json.dumps(line, ensure_ascii=True) + "\n")
            written += 1
    print(f"{written} of {len(corpus.CORPUS)} recorded")
    return 0


def compare(port, file):
    with open(file, encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda case: play(port, [from_json(step) for step in case["steps"]]), recorded))
    same = 0
    for case, answer in zip(recorded, answers):
        expected = (case["got"], case["ends"], case["probe"])
        if answer == expected:
            same += 1
        else:
            print(f"{case['name']}\n  recorded {expected}\n  now      {answer}")
    print(f"{same} of {len(recorded)} as recorded")
    return 0 if same == len(recorded) else 1


INTERESTING = [b"\r", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"\x7f", b"\xff", b":", b",", b";", b"=", b'"', b"\\", b"0", b"a", b"/", b"?", b"#", b"@", b"*",
               b"%", b"[", b"]", b"close", b"keep-alive", b"upgrade", b"chunked", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
               b"Connection: close\r\n", b"HTTP/1.0", b"5\r\n[1,2}\r\n", b"0\r\n\r\n", b"http://h/"]


def changed(steps, chance):
    steps = list(steps)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        places = [place for place, step in enumerate(steps) if isinstance(step, bytes) and step]
        if not places:
            return steps
        place = chance.choice(places)
        text = bytearray(steps[place])
        at = chance.randrange(len(text) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            text[at:at] = chance.choice(INTERESTING)
        elif kind == 1:
            del text[at:at + chance.choice([1, 1, 2, 5])]
        elif kind == 2:
            text[at:at + 1] = chance.choice(INTERESTING)
        else:
            other = chance.choice([step for _, steps_ in corpus.CORPUS for step in steps_ if isinstance(step, bytes)])
            cut = chance.randrange(len(other) + 1)
            text[at:] = other[cut:]
        steps[place] = bytes(text)
    return steps


def compare_random(port_a, port_b, seed, count):
    chance = random.Random(seed)
    cases = []
    while len(cases) < count:
        name, steps = chance.choice(corpus.CORPUS)
        # What is long or repeated is played by the corpus itself.
        if not any(isinstance(step, tuple) for step in steps):
            cases.append((name, changed(steps, chance)))

    def both(case):
        a, b = play(port_a, case[1]), play(port_b, case[1])
        # Once more if they differ: what depends on chance is no fact.
        return None if a == b or (play(port_a, case[1]) != a) else (a, b)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(both, cases))
    different = [(case, answer) for case, answer in zip(cases, answers) if answer]
    for (name, steps), (a, b) in different:
        print(f"{name}, changed to {steps}\n  A {a}\n  B {b}")
    print(f"{count - len(different)} of {count} the same")
    return 1 if different else 0


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    if mode == "record":
        sys.exit(record(int(rest[0]), rest[1]))
    if mode == "compare":
        sys.exit(compare(int(rest[0]), rest[1]))
    if mode == "random":
        sys.exit(compare_random(*map(int, rest)))
    sys.exit(__doc__)
