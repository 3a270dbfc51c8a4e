"""Step 8: who is here, and who only seems to be. Clocks are numbers of ours; the broker is real."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab4_scaling.doubles import brokered
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab

HOUR_S = 3600.0
BEATS = 60


class Clock:
    """One host's."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@lab.step("Presence that heals", minutes=30, lines=11, points=3, hints=HINTS["presence"], limit_s=20.0, processes=True)
async def presence(t: Transcript, Presence: Any, Owners: Any) -> None:  # noqa: N803
    lease_s = float(Presence.__init__.__globals__["LEASE_S"])
    async with brokered() as broker:
        clocks = [Clock(1000.0), Clock(1000.0 + HOUR_S), Clock(0.0)]
        seats = [broker.seat(f"n{number}", clock) for number, clock in enumerate(clocks, start=1)]
        three = [Presence(broker.link(seat.name), seat) for seat in seats]
        owners = [Owners(broker.link(seat.name), seat) for seat in seats]
        everyone = {who: await registry.claim(who) for who, registry in zip("abc", owners, strict=True)}
        await _lives(t, three, clocks)
        await _dies(t, three, clocks, lease_s)
        t.equal("where is b, says the registry", await owners[0].where("b"), None, id="ghost-kept")
        await _returns(t, three, owners, everyone)


async def _pass(three: list[Any], clocks: list[Clock], seconds: float, *beating: int) -> None:
    """Time passes on each host; these nodes beat."""
    for clock in clocks:
        clock.now_s += seconds
    for number in beating:
        await three[number - 1].beat()


async def _lives(t: Transcript, three: list[Any], clocks: list[Clock]) -> None:
    t.say("a is connected to n1, b to n2, c to n3; n2's clock is an hour ahead, n3's a quarter of an hour behind")
    await _pass(three, clocks, 0.0, 1, 2, 3)
    for number in (1, 3):
        t.equal(
            f"present, says n{number}", sorted(await three[number - 1].present()), ["a", "b", "c"], id="wall-clocks"
        )
    for _ in range(BEATS):
        await _pass(three, clocks, 1.0, 1, 2, 3)
        await three[0].living()
    t.equal("a minute later, says n1", sorted(await three[0].present()), ["a", "b", "c"], id="wall-clocks")


async def _dies(t: Transcript, three: list[Any], clocks: list[Clock], lease_s: float) -> None:
    t.say("n2 is killed; n1 and n3 go on")
    await _pass(three, clocks, lease_s - 0.5, 1, 3)
    t.equal(
        f"{lease_s - 0.5:g} s later, says n1", sorted(await three[0].present()), ["a", "b", "c"], id="dead-too-soon"
    )
    await _pass(three, clocks, 1.0, 1, 3)
    t.equal(f"{lease_s + 0.5:g} s later, says n1", sorted(await three[0].present()), ["a", "c"], id="ghosts")


async def _returns(t: Transcript, three: list[Any], owners: list[Any], claims: dict[str, int]) -> None:
    t.say("b comes back on n3; n2 is started again, and beats")
    await owners[2].claim("b")
    t.equal("present, says n1", sorted(await three[0].present()), ["a", "b", "c"])
    await three[1].beat()
    t.true("n2 lives, says n1", "n2" in await three[0].living(), got="it does not", expected="it beats again")
    await owners[0].release("a", claims["a"])
    t.equal("a leaves; present, says n1", sorted(await three[0].present()), ["b", "c"])
