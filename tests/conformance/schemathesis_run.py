"""Runs schemathesis against our server, and compares what it finds with what it found on the real one. `schemathesis` starts this."""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

from parties import ADMIN_TOKEN, served

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"
KNOWN = FIXTURES / "conformance" / "schemathesis" / "known.txt"
HEADER = """\
# What schemathesis finds on a real awaithumans 0.1.12: operation, code of the check, status of the answer. `schemathesis --record URL` wrote it.
# ST101: a server error; ST103: a status that the document doesn't have; ST108: a body that isn't as the document says.
"""
# No poll: it would take 25 s of real time. The rest is bounded; deterministic, so that both servers get the same first requests.
FLAGS = [
    "--exclude-path-regex=/poll$",
    # What a redirect says is compared, not what stands there.
    "--max-redirects=0",
    "--phases=examples,coverage,fuzzing",
    "--max-examples=5",
    "--generation-deterministic",
    "--continue-on-failure",
    "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance",
    "--no-color",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executable", help="awaithumans-testkit")
    parser.add_argument("--record", metavar="URL", help="write down what it finds on the real awaithumans there, instead")
    flags = parser.parse_args()
    if flags.record:
        _, found = violations(flags.record)
        KNOWN.parent.mkdir(parents=True, exist_ok=True)
        KNOWN.write_text(HEADER + "".join(f"{line}\n" for line in sorted(found)))
        print(f"{len(found)} violations recorded")
        return
    with served(flags.executable, time="real") as ready:
        operations, found = violations(ready["awaithumans"])
    known = {line for line in KNOWN.read_text().splitlines() if not line.startswith("#")}
    new = sorted(found - known)
    for line in new:
        print(f"new    {line}")
    print(f"of {len(known)} violations of the real server, ours has {len(found & known)}")
    failed = {line.rsplit(" ", 2)[0] for line in new}
    print(f"{len(operations - failed)} passed, {len(failed)} failed")
    sys.exit(1 if new else 0)


def violations(url):
    """The operations that were tried, and a line for each way in which one of them isn't as the document says."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        program = pathlib.Path(sys.executable).with_name("schemathesis")
        document = FIXTURES / "awaithumans-0.1.12" / "openapi.json"
        command = [program, "run", document, f"--url={url}", f"--header=Authorization: Bearer {ADMIN_TOKEN}", *FLAGS, "--report=junit",
                   f"--report-junit-path={report}"]
        run = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # 1: it has found something.
        if run.returncode not in (0, 1):
            sys.exit(run.stdout)
        cases = list(xml.parse(report).iter("testcase"))
    found = {f"{case.get('name')} {what}" for case in cases for failure in case.iter("failure") for what in seen(failure.text)}
    return {case.get("name") for case in cases}, found


def seen(text):
    """The checks' codes, each with the status of the answer that it is about, which stands after them."""
    codes = []
    for line in text.splitlines():
        if code := re.match(r"- (ST\d+) ", line):
            codes.append(code[1])
        elif status := re.match(r"\[(\d{3})\]", line):
            yield from (f"{code} {status[1]}" for code in codes)
            codes = []


if __name__ == "__main__":
    main()
