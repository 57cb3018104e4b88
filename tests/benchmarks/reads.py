"""What a read costs the server: CPU microseconds per request, beside nginx with the same bytes and the usual stack with the same rows.

Requests per second depend on the client as well; CPU of the server does not. Servers take turns on one core, a few seconds each and
several times over; the client has the other core.
"""

import asyncio
import csv
import io
import json
import random
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.benchmarks import load, peers
from tests.benchmarks.asking import Answer, ask
from tests.benchmarks.load import Cost, Wrk
from tests.benchmarks.processes import cpu_seconds, median, output
from tests.benchmarks.report import Bound, Line, Topic, say
from tests.benchmarks.serving import Filled, Service, serving

IDS = 5_000  # coins that are asked for in turn
HEAD_RATE = 4_000  # a second; wrk can't send HEAD
WALK_SECONDS = 4.0  # in which all coins are asked for once
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_OK, _NOT_MODIFIED = 200, 304


class Case(NamedTuple):
    """One kind of read. With several targets they are asked for in turn."""

    name: str
    targets: list[str]
    headers: dict[str, str] = {}  # noqa: RUF012  # never changed
    kind: str = "GET"  # HEAD: without the body; 304: with the tag that the server gave
    large: bool = False  # a whole table: one connection, and time for it
    usual: bool = False  # the usual stack answers it, too
    per_nginx: float | None = None  # at most so many times nginx's CPU
    per_usual: float | None = None  # at most such a share of the usual stack's
    per_first: float | None = None  # at most so many times the first case's


def cases(service: Service) -> list[Case]:
    """What is asked, with ids that the service knows."""
    listings = list(csv.DictReader(io.StringIO(ask(service.port, "/mappings.csv").body.decode())))
    chosen = random.Random(1)
    priced = [i for i in service.ids() if _PLAIN_ID.fullmatch(i)]
    ids = chosen.sample(priced, min(IDS, len(priced)))
    asked = chosen.sample(listings, min(IDS, len(listings)))
    gzip, zstd = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "zstd"}
    return [
        Case("/data?limit=50", ["/data?limit=50"], usual=True, per_nginx=2.5, per_usual=1 / 40),
        Case("/data?limit=1000", ["/data?limit=1000"], usual=True, per_nginx=2.8),
        Case("the same, 304", ["/data?limit=50"], kind="304", per_nginx=2.5),
        Case(f"/coins/{{id}}, {len(ids):,} coins", [f"/coins/{i}" for i in ids], per_first=1.1),
        Case(f"/coins/{{id}}, all {len(priced):,}", [f"/coins/{i}" for i in priced], per_first=1.1),
        Case("the same, gzip", [f"/coins/{i}" for i in priced], gzip),
        Case("/data?limit=50, HEAD", ["/data?limit=50"], kind="HEAD"),
        Case("/data?limit=50, gzip", ["/data?limit=50"], gzip),
        Case("/data?limit=50, zstd", ["/data?limit=50"], zstd),
        Case("/resolve by source id", [f"/resolve?source={r['source']}&source_id={quote(r['source_id'])}" for r in asked]),
        Case("/prices, 50 ids", [f"/prices?ids={','.join(ids[n : n + 50])}" for n in range(0, len(ids) - 49, 50)]),
        Case("/data?q=bitcoin", ["/data?q=bitcoin"]),
        Case("/mappings.csv", ["/mappings.csv"], large=True),
    ]


class Measured(NamedTuple):
    """A server and what is asked of it in one case."""

    pid: int
    port: int
    targets: list[str]
    headers: dict[str, str]


class Reads:
    """The measurements of one benchmark."""

    def __init__(self, filled: Filled, service: Service, rounds: int, seconds: float) -> None:
        self._filled, self._service, self._rounds, self._seconds = filled, service, rounds, seconds
        self._folder = filled.folder / "reads"
        self._wrk = Wrk(self._folder)
        self.files = peers.Files(self._folder / "nginx")
        self.notes: list[str] = []
        self._costs: dict[str, dict[str, list[Cost]]] = {}
        self._plans: list[tuple[Case, dict[str, Measured]]] = []
        self._firsts: list[Cost] = []

    def prepare(self) -> None:
        """Ask the service for everything once, and put what nginx is to send into files."""
        for case in cases(self._service):
            first = ask(self._service.port, case.targets[0], headers=case.headers)
            for target in case.targets[1:]:
                ask(self._service.port, target, headers=case.headers)
            if first.status != _OK:
                self.notes.append(f"{case.name}: answered with {first.status}; not measured")
                continue
            ours = Measured(self._service.pid, self._service.port, case.targets, case.headers)
            self._plans.append((case, {"ours": ours, "nginx": Measured(0, 0, self._as_files(case, first), {})}))

    def _as_files(self, case: Case, first: Answer) -> list[str]:
        name = f"case-{len(self._plans)}"
        if len(case.targets) == 1:
            return [self.files.add(name, first.headers, first.body)]
        bodies = [ask(self._service.port, target, headers=case.headers).body for target in case.targets[:IDS]]
        return self.files.add_all(name, first.headers, {str(n): body for n, body in enumerate(bodies)})

    async def run(self, nginx: peers.Peer | None, usual: peers.Peer | None) -> None:
        """All rounds."""
        for case, servers in self._plans:
            files = servers.pop("nginx")
            if nginx is not None:
                servers["nginx"] = files._replace(pid=nginx.pid, port=nginx.port)
            if usual is not None and case.usual:
                servers["usual"] = Measured(usual.pid, usual.port, case.targets, {})
            if case.kind == "304":
                for name, server in servers.items():
                    tag = ask(server.port, server.targets[0]).headers["etag"]
                    servers[name] = server._replace(headers={"If-None-Match": tag})
        if usual is not None:
            self._compare_rows(usual)
        for number in range(self._rounds):
            for case, servers in self._plans:
                say(f"  round {number + 1}: {case.name}")
                for name, server in servers.items():
                    cost = await self._measure(case, name, server)
                    self._costs.setdefault(case.name, {}).setdefault(name, []).append(cost)
        for number in range(self._rounds):
            say(f"  round {number + 1}: every coin once after all have changed")
            self._firsts.append(await self._first_asked())

    async def _measure(self, case: Case, name: str, server: Measured) -> Cost:
        if case.kind == "HEAD":
            return await self._head(server)
        script = self._wrk.cycle(f"{name}-{self._plans_index(case)}", server.targets) if len(server.targets) > 1 else None
        status = ask(server.port, server.targets[0], headers=server.headers).status
        expected = _NOT_MODIFIED if case.kind == "304" else _OK
        assert status == expected, f"{case.name}: {name} answers {status}"
        return await self._wrk.measure(
            server.pid,
            server.port,
            server.targets[0],
            seconds=self._seconds * (4 if case.large else 1),
            headers=server.headers,
            script=script,
            connections=1 if case.large else load.CONNECTIONS,
        )

    async def _first_asked(self) -> Cost:
        """A walk through all coins when every one of them has another price: nothing that was made of one before holds."""
        self._filled.market.move()
        await self._service.cost(full=True)
        targets = max((case.targets for case, _ in self._plans if case.targets[0].startswith("/coins/")), key=len)
        script = self._wrk.cycle("once", targets, once=True)
        return await self._wrk.measure(self._service.pid, self._service.port, targets[0], seconds=WALK_SECONDS, script=script)

    def _plans_index(self, case: Case) -> int:
        return [c.name for c, _ in self._plans].index(case.name)

    async def _head(self, server: Measured) -> Cost:
        arguments = [str(server.port), server.targets[0], str(HEAD_RATE), str(self._seconds), "HEAD"]
        before = cpu_seconds(server.pid)
        found = json.loads(await output(sys.executable, "-m", "tests.benchmarks.pacing", *arguments))
        assert not found["errors"], found
        return Cost((cpu_seconds(server.pid) - before) / found["answers"] * 1e6, found["per_second"], 0.0)

    def _compare_rows(self, usual: peers.Peer) -> None:
        """The usual stack must send the same coins at the same prices."""
        ours, theirs = ([_comparable(r) for r in json.loads(ask(p, "/data?limit=50").body)] for p in (self._service.port, usual.port))
        if ours != theirs:
            differing = sum(a != b for a, b in zip(ours, theirs, strict=False))
            self.notes.append(f"the usual stack sends other rows in {differing} of 50 places")

    def topics(self) -> list[Topic]:
        """The tables."""
        lines, throughput = [], []
        for case, _ in self._plans:
            found = self._costs[case.name]
            cost = {name: median(c.microseconds for c in of) for name, of in found.items()}
            beside = {name: self._ratio(found["ours"], of) for name, of in found.items()}
            first = self._ratio(found["ours"], self._costs[self._plans[0][0].name]["ours"])
            bounds = []
            if case.per_nginx is not None and "nginx" in beside:
                bounds.append(Bound(beside["nginx"], case.per_nginx, f"{case.per_nginx:g} x nginx"))
            if case.per_usual is not None and "usual" in beside:
                bounds.append(Bound(beside["usual"], case.per_usual, f"1/{1 / case.per_usual:.0f} of usual"))
            if case.per_first is not None:
                bounds.append(Bound(first, case.per_first, f"{case.per_first:g} x /data: {first:.2f}"))
            figures: dict[str, float | None] = {
                "ours\nus": cost["ours"],
                "nginx\nus": cost.get("nginx"),
                "ours /\nnginx": beside.get("nginx"),
                "usual\nus": cost.get("usual"),
                "usual /\nours": 1 / beside["usual"] if "usual" in beside else None,
            }
            lines.append(Line(case.name, figures, bounds))
            rates = {f"{name}\nper s": median(c.per_second for c in of) for name, of in found.items()}
            throughput.append(Line(case.name, {**rates, "ours MB per\nCPU s": median(c.megabytes for c in found["ours"])}))
        first_asked = median(c.microseconds for c in self._firsts)
        lines.append(Line("/coins/{id}, each the first time since it changed", {"ours\nus": first_asked}))
        notes = [f"median of {self._rounds} rounds of {self._seconds:g} s; {self._filled.market.name}", *self.notes]
        return [
            Topic("Reads: CPU of the server per request, microseconds", lines, notes),
            Topic("Reads: requests per second", throughput),
        ]

    @staticmethod
    def _ratio(ours: list[Cost], theirs: list[Cost]) -> float:
        """The median of what the rounds found, each on its own: a busy machine slows both sides of one round."""
        return median(a.microseconds / b.microseconds for a, b in zip(ours, theirs, strict=True))


def _comparable(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["id"], row["symbol"], row["name"], row["latest_price_usd"]


async def measure(filled: Filled, rounds: int, seconds: float = 2.0) -> list[Topic]:
    """The tables of reads."""
    missing = load.missing()
    if missing is not None:
        return [Topic("Reads", [], [missing])]
    folder: Path = filled.folder / "reads"
    folder.mkdir()
    async with serving(filled.folder, filled.market.url) as service:
        await service.answering()
        await service.until_idle()
        reads = Reads(filled, service, rounds, seconds)
        await asyncio.to_thread(reads.prepare)
        reads.notes += [text for text in (peers.nginx_missing(), peers.usual_stack_missing()) if text is not None]
        async with peers.nginx(reads.files, folder / "nginx") as nginx, peers.usual_stack(filled, folder) as usual:
            await reads.run(nginx, usual)
    return reads.topics()
