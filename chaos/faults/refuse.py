"""refuse: connections are reset, new ones refused, while the process lives on."""

from __future__ import annotations

from chaos.faults.base import Before, Layer, NoParams, Verdict, measure_silence
from chaos.impairment import Impairment
from chaos.targets import Injection, LinkTarget


class Refuse:
    """Answer every segment with RST."""

    kind = "refuse"
    layer = Layer.LINK
    needs = LinkTarget
    params = NoParams
    mechanism = None

    async def inject(self, target: LinkTarget, params: NoParams, duration_s: float) -> Injection:
        return await target.impair(Impairment("refuse", duration_s))

    async def verify(self, target: LinkTarget, params: NoParams, before: Before) -> Verdict:
        answer = await measure_silence(target)
        bit = before.answer.ok and answer.failure in ("refused", "reset")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")

    async def heal(self, target: LinkTarget) -> None:
        await target.clear()
