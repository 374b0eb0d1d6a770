"""Starts and ends the helper containers of `chaos.netns` in a target's network namespace.

One helper a target, which is told of further impairments by `docker exec`. Normally the service ends it (SIGTERM, upon
which it takes its rules along within milliseconds); with the service dead it ends by itself; killed, it leaves rules
behind, which a `clear` run removes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InjectionFailedError, NotPossibleError, RuntimeUnavailableError, TargetGoneError
from ..links.impairment import Effect, Impairment
from ..links.mechanisms import FILTERS, LACKS, QUEUE, ImpossibleError, choose, kernels, needs
from ..netns.helper import READY, SOCKET
from .targets import Capability, Injection, ReadBack

if TYPE_CHECKING:
    from .docker_targets import DockerClient

HELPER_LABEL = "reroute.helper"
"""Its value is the target's id."""
TELL = "/app/chaos/netns/send_line.py"
OWNER_LABEL = "reroute.helper.owner"
"""Its value is the chaos service's container, so that no lab ends another's helpers."""
OWN_END_S = 1.0
"""A helper's own end comes this much after the fault's, so that normally the service's heal is what ends it."""
END_WITHIN_S = 2
FINISH_WITHIN_S = 15
"""For a `clear` or `probe` run, start of its Python included, on a busy host."""
HARDENING: dict[str, Any] = {
    "cap_drop": ["ALL"],
    "cap_add": ["NET_ADMIN", "NET_RAW"],  # iptables-legacy talks to the kernel through a raw socket
    "security_opt": ["no-new-privileges:true"],
    "read_only": True,
    "tmpfs": {"/run": "size=1m"},  # xtables.lock
    "mem_limit": "128m",
    "pids_limit": 32,
    "user": "0:0",
    "stop_signal": "SIGKILL",
}


class NetnsHelpers:
    """Helper containers from our own image."""

    def __init__(self, client: DockerClient, image: str, own_container: str) -> None:
        self._client = client
        self._image = image
        self._own_container = own_container
        self._offers: dict[str, bool] | None = None
        self._probing = asyncio.Lock()
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._kinds: dict[str, set[str]] = {}
        """Helper → what it impairs, of those that this process started: after a crash everything is healed at once."""

    async def impair(self, container: str, impairment: Impairment) -> Injection:
        """Returns when the rules are in. Raises NotPossibleError if this kernel offers no mechanism."""
        own_end = replace(impairment, duration_s=impairment.duration_s + OWN_END_S).to_json()
        started = time.monotonic()
        async with self._locks[container]:
            helper = await self._running(container)
            if helper is None:
                helper = await self._start(container, ["run", "--impairment", json.dumps(own_end)])
                self._kinds[helper] = set()
                ready = await self._first_words(helper)
            else:
                ready = await self._tell(helper, {"add": own_end})
            self._kinds.setdefault(helper, set()).add(impairment.kind)
        # The helper's clock is ours (one kernel) unless time namespaces are in play: then its word is out of range.
        mono = ready["mono"] if started <= ready["mono"] <= time.monotonic() else time.monotonic()
        return Injection(mono, f"{ready['mechanism']}")

    async def clear(self, container: str, kind: str, *, namespace_exists: bool) -> None:
        """Take one impairment out. The last one ends its helper; where that did not end cleanly, or there is none left
        to ask, whatever rules are left are removed."""
        async with self._locks[container]:
            found = await self._helpers_of(container)
            if len(found) == 1 and self._kinds.get(found[0], set()) - {kind}:
                with contextlib.suppress(NotPossibleError, TargetGoneError):
                    await self._tell(found[0], {"remove": kind})
                    self._kinds[found[0]].discard(kind)
                    return
            clean = await asyncio.gather(*(self._end(helper) for helper in found))
            for helper in found:
                self._kinds.pop(helper, None)
            if namespace_exists and not (clean and all(clean)):
                await self._finish(await self._start(container, ["clear"], auto_remove=False))

    async def read_back(self, container: str) -> ReadBack:
        """Nothing where no helper answers."""
        helper = await self._running(container)
        if helper is None:
            return ReadBack({}, 0, "no helper runs")
        said = await self._tell(helper, {"read": True})
        return ReadBack(said["mechanisms"], said["packets"], said["tc"])

    async def _helpers_of(self, container: str) -> list[str]:
        return [helper["Id"] for helper in await self._client.containers(f"{HELPER_LABEL}={container}")]

    async def _running(self, container: str) -> str | None:
        """This target's helper, where we know what it does and the target has not been started anew since (a helper of
        before then sits in a namespace that nobody uses)."""
        found = [helper for helper in await self._helpers_of(container) if helper in self._kinds]
        if not found:
            return None
        target, helper = await asyncio.gather(self._client.inspect(container), self._client.inspect(found[0]))
        if helper["State"]["Running"] and helper["State"]["StartedAt"] >= target["State"]["StartedAt"]:
            return found[0]
        await self._end(found[0])
        self._kinds.pop(found[0], None)
        return None

    async def _tell(self, helper: str, wish: dict[str, Any]) -> dict[str, Any]:
        """Raises NotPossibleError if the helper cannot, TargetGoneError where it is gone."""

        def execute(sdk: Any) -> tuple[int, bytes]:
            command = ["python", "-IS", TELL, SOCKET, json.dumps(wish)]
            run = sdk.api.exec_create(helper, command)
            said = sdk.api.exec_start(run["Id"])
            return sdk.api.exec_inspect(run["Id"])["ExitCode"], said

        code, said = await self._client.call(execute)
        if code != 0:
            raise TargetGoneError(f"the network helper does not answer: {said.decode(errors='replace').strip()}")
        answer = dict(json.loads(said))
        if "error" in answer:
            raise NotPossibleError(f"not possible on this host: {answer['error']}")
        return answer

    async def abandon(self, container: str) -> None:
        """End the helpers of a target that is gone; its namespace goes with them."""
        found = await self._client.containers(f"{HELPER_LABEL}={container}")
        await asyncio.gather(*(self._end(helper["Id"]) for helper in found))

    async def sweep(self, faulted: Collection[str]) -> None:
        """At start: remove helpers of our own that no fault accounts for, such as those of an interrupted probe."""
        found = await self._client.containers(f"{OWNER_LABEL}={self._own_container}")
        lost = [each["Id"] for each in found if each["Labels"][HELPER_LABEL] not in faulted]
        await asyncio.gather(*map(self._remove, lost))

    async def capability(self, effect: Effect) -> Capability:
        """Return whether this kernel can, by what, and what it lacks."""
        return capability(effect, await self._offered())

    async def mechanism(self, impairment: Impairment) -> str:
        """What `impair` would do it by. Raises NotPossibleError with what else would be possible."""
        try:
            return choose(impairment, (await self._offered()).__getitem__)
        except ImpossibleError as error:
            raise NotPossibleError(error.reason, error.possible) from error

    async def _offered(self) -> dict[str, bool]:
        """By the kernel; probed once, in a namespace of the probe's own."""
        async with self._probing:
            if self._offers is None:
                helper = await self._start(None, ["probe"], auto_remove=False)
                self._offers = dict(json.loads((await self._finish(helper)).partition(READY)[2]))
        return self._offers

    async def _start(self, container: str | None, command: list[str], *, auto_remove: bool = True) -> str:
        image = await self._own_image()

        def start(sdk: Any) -> str:
            helper = sdk.containers.run(
                image,
                ["python", "-m", "chaos.netns", *command],
                detach=True,
                auto_remove=auto_remove,
                network_mode=f"container:{container}" if container else "none",
                labels={HELPER_LABEL: container or "probe", OWNER_LABEL: self._own_container},
                **HARDENING,
            )
            return str(helper.id)

        return await self._client.call(start)

    async def _first_words(self, helper: str) -> dict[str, Any]:
        """The READY line; or, where the helper ended without, its complaint."""

        def listen(sdk: Any) -> str:
            said = ""
            for chunk in sdk.api.logs(helper, stdout=True, stderr=True, stream=True, follow=True):
                said += chunk.decode(errors="replace")
                if READY in said and said.endswith("\n"):
                    break
            return said

        try:
            said = await self._client.call(listen)
        except TargetGoneError:
            said = "the helper ended at once"
        if READY not in said:
            raise NotPossibleError(f"not possible on this host: {said.strip()}")
        return dict(json.loads(said.partition(READY)[2]))

    async def _end(self, helper: str) -> bool:
        """SIGTERM, and SIGKILL for one that does not listen; whether it took its rules along."""

        def end(sdk: Any) -> bool:
            sdk.api.kill(helper, "SIGTERM")
            return bool(sdk.api.wait(helper, timeout=END_WITHIN_S)["StatusCode"] == 0)

        try:
            return await self._client.call(end)
        except TargetGoneError:
            return False
        except RuntimeUnavailableError:
            await self._remove(helper)
            return False

    async def _finish(self, helper: str) -> str:
        """Wait for a short run's end; its output. Raises InjectionFailedError on a failure."""

        def wait(sdk: Any) -> tuple[int, str]:
            code = int(sdk.api.wait(helper, timeout=FINISH_WITHIN_S)["StatusCode"])
            return code, sdk.api.logs(helper, stdout=True, stderr=True).decode(errors="replace")

        try:
            code, said = await self._client.call(wait)
        finally:
            await self._remove(helper)
        if code != 0:
            raise InjectionFailedError(f"network helper: {said.strip()}")
        return said

    async def _remove(self, helper: str) -> None:
        try:
            await self._client.call(lambda sdk: sdk.api.remove_container(helper, v=True, force=True))
        except TargetGoneError:
            return

    async def _own_image(self) -> str:
        if not self._image:
            self._image = (await self._client.inspect(self._own_container))["Image"]
        return self._image


def capability(effect: Effect, offers: Mapping[str, bool]) -> Capability:
    """Return the capability for everybody's traffic. `missing` also names what a better mechanism would need."""
    wanted = FILTERS[effect][:1] if effect in FILTERS else needs(kernels(effect))
    lacking = [LACKS[each] for each in wanted if not offers[each]]
    try:
        mechanism = choose(Impairment(effect, 1.0), offers.__getitem__)
    except ImpossibleError:
        missing = lacking if effect in FILTERS else [*lacking, LACKS[QUEUE]]
        return Capability(possible=False, missing=" and ".join(missing))
    return Capability(possible=True, mechanism=mechanism, missing=" and ".join(lacking) or None)
