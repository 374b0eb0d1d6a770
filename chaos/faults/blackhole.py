"""blackhole: packets to and from the service port disappear without a word, as on a cut cable."""

from __future__ import annotations

from chaos.faults.base import Before, Layer, NoParams, Verdict, measure_silence
from chaos.impairment import Impairment
from chaos.targets import Injection, LinkTarget


class Blackhole:
    """Drop everything. The local relay can only fall silent after the handshake; connects succeed there."""

    kind = "blackhole"
    layer = Layer.LINK
    needs = LinkTarget
    params = NoParams
    mechanism = None

    async def inject(self, target: LinkTarget, params: NoParams, duration_s: float) -> Injection:
        return await target.impair(Impairment("blackhole", duration_s))

    async def verify(self, target: LinkTarget, params: NoParams, before: Before) -> Verdict:
        answer = await measure_silence(target)
        bit = before.answer.ok and answer.failure in ("timeout", "connect_timeout")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")

    async def heal(self, target: LinkTarget) -> None:
        await target.clear()
