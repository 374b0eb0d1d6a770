"""Starts and ends the helper containers of `chaos.netns` in a target's network namespace.

A target has at most one helper; `docker exec` passes further impairments to it. Normally the service ends the helper
with SIGTERM, and it removes its rules within milliseconds. If the service is dead, the helper ends by itself at its
deadline. A helper that is killed leaves its rules behind; a helper started with `clear` removes them.
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
from ..links.mechanisms import FILTERS, LACKS, QDISCS, QUEUE, ImpossibleError, choose, needs
from ..netns.helper import READY, SOCKET
from .container_networks import why_no_link
from .targets import Capability, Injection, ReadBack

if TYPE_CHECKING:
    from .docker_client import DockerClient

HELPER_LABEL = "reroute.helper"
"""Label of a helper; its value is the target's container id."""
TELL = "/app/chaos/netns/send_line.py"
OWNER_LABEL = "reroute.helper.owner"
"""Label with the chaos service's container id, so that no lab ends the helpers of another lab."""
OWN_END_S = 1.0
"""A helper ends by itself this many seconds after the fault's end, so that normally the service ends it first."""
END_WITHIN_S = 2
FINISH_WITHIN_S = 15
"""Time limit, in seconds, of a `clear` or `probe` run, including the start of Python on a busy host."""
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
    """Starts, instructs and ends the helper containers. They run from the image of the chaos service."""

    def __init__(self, client: DockerClient, image: str, own_container: str) -> None:
        self._client = client
        self._image = image
        self._own_container = own_container
        self._offers: dict[str, bool] | None = None
        self._probing = asyncio.Lock()
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._kinds: dict[str, set[str]] = {}
        """Fault kinds by helper, for helpers that this process started. After a crash, every fault is healed."""

    async def impair(self, container: str, impairment: Impairment) -> Injection:
        """Add the impairment and return when its rules are in place. Raise NotPossibleError if the kernel has no
        mechanism."""
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
        # Helper and service share the kernel's clock, except with time namespaces: then the helper's time is out of
        # range.
        mono = ready["mono"] if started <= ready["mono"] <= time.monotonic() else time.monotonic()
        return Injection(mono, f"{ready['mechanism']}")

    async def clear(self, container: str, kind: str, *, namespace_exists: bool) -> None:
        """Remove one impairment, and end the helper if it was the last one.

        If the helper did not end cleanly, or none is left, a `clear` run removes the remaining rules.
        """
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
        """Return what the helper reports of its rules, or an empty result if no helper runs."""
        helper = await self._running(container)
        if helper is None:
            return ReadBack({}, 0, "no helper runs")
        said = await self._tell(helper, {"read": True})
        return ReadBack(said["mechanisms"], said["packets"], said["tc"])

    async def _helpers_of(self, container: str) -> list[str]:
        return [helper["Id"] for helper in await self._client.containers(f"{HELPER_LABEL}={container}")]

    async def _running(self, container: str) -> str | None:
        """Return the target's helper if this process started it and the target has not been restarted since.

        A helper from before the restart is in a namespace that is no longer used; it is ended.
        """
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
        """Send the helper one request and return its answer.

        Raise NotPossibleError if the helper cannot do it, TargetGoneError if the helper does not run.
        """

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
        """End the helpers of a removed target, so that the kernel can free its namespace."""
        found = await self._client.containers(f"{HELPER_LABEL}={container}")
        await asyncio.gather(*(self._end(helper["Id"]) for helper in found))

    async def sweep(self, faulted: Collection[str]) -> None:
        """Remove this service's helpers on targets without a fault, such as one left by an interrupted probe run."""
        found = await self._client.containers(f"{OWNER_LABEL}={self._own_container}")
        lost = [each["Id"] for each in found if each["Labels"][HELPER_LABEL] not in faulted]
        await asyncio.gather(*map(self._remove, lost))

    async def capability(self, effect: Effect) -> Capability:
        """Return whether this kernel can produce the effect, by which mechanism, and what it lacks."""
        return capability(effect, await self._offered())

    async def mechanism(self, impairment: Impairment) -> str:
        """Return the mechanism that `impair` would use. Raise NotPossibleError, with the alternatives, if there is
        none."""
        try:
            return choose(impairment, (await self._offered()).__getitem__)
        except ImpossibleError as error:
            raise NotPossibleError(error.reason, error.possible) from error

    async def _offered(self) -> dict[str, bool]:
        """Return the kernel's features. They are probed once, by a helper in a network namespace of its own."""
        async with self._probing:
            if self._offers is None:
                helper = await self._start(None, ["probe"], auto_remove=False)
                self._offers = dict(json.loads((await self._finish(helper)).partition(READY)[2]))
        return self._offers

    async def _start(self, container: str | None, command: list[str], *, auto_remove: bool = True) -> str:
        """Start a helper in the container's network namespace, or in a new one, and return its id.

        Raise NotPossibleError if the namespace is not the container's own: it could be that of the host.
        """
        if container and (reason := why_no_link(await self._client.inspect(container))):
            raise NotPossibleError(f"container {container[:12]} {reason}")
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
        """Return the content of the READY line. Raise NotPossibleError with the output if the helper ended before
        it."""

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
        """End the helper by SIGTERM, or by removal if that has no effect. Return whether it removed its rules."""

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
        """Wait until a short run ends and return its output. Raise InjectionFailedError if its exit code is not 0."""

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
    """Return the capability for a fault that affects all peers. `missing` also names what a better mechanism needs."""
    wanted = FILTERS[effect][:1] if effect in FILTERS else needs(QDISCS[effect])
    lacking = [LACKS[each] for each in wanted if not offers[each]]
    try:
        mechanism = choose(Impairment(effect, 1.0), offers.__getitem__)
    except ImpossibleError:
        missing = lacking if effect in FILTERS else [*lacking, LACKS[QUEUE]]
        return Capability(possible=False, missing=" and ".join(missing))
    return Capability(possible=True, mechanism=mechanism, missing=" and ".join(lacking) or None)
