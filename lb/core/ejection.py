"""Ejections: who is taken out because of live traffic, within which limits, and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from .backend import State
from .candidates import Rotation
from .health import Cause
from .health_record import Standing
from .outlier_detection import Jury, may_eject, slow_outliers
from .settings import PassiveSettings

Move = Callable[[Standing, Cause, str, float], None]

_OUTLIER_CHECK_EVERY: Final = 1.0


class Ejections:
    """Counts outcomes, ejects for them, and brings back whoever has served its time and passes its probes."""

    def __init__(self, settings: PassiveSettings, rotation: Rotation, move: Move, *, ends_here: bool = True) -> None:
        """`ends_here`: not another process but this one says when an ejection is over."""
        self._settings = settings
        self._ends_here = ends_here
        self._rotation = rotation
        self._move = move
        self._jury = Jury(settings)
        self._serving: dict[Standing, None] = {}
        self._outliers_checked = 0.0

    def use(self, settings: PassiveSettings) -> None:
        """Judge by other settings; sentences that are being served stay."""
        self._settings = settings
        self._jury.use(settings)

    def count(self, standing: Standing, now: float, *, failed: bool, suspect_only: bool = False) -> None:
        """Count an outcome of an UP backend, and eject for it if the jury says so.

        `suspect_only` while no probe has contradicted earlier failures yet: the backend may simply be dead, which is
        for probes to say. Otherwise a crash under load would end in an ejection, and readmission would wait for it.
        """
        reason = self._jury.record(standing.outcomes, failed, now)
        if reason and suspect_only:
            standing.suspect(0.0, 0.0, reason, now)
        elif reason:
            self._eject(standing, reason, now)

    def follow(self, standing: Standing, reason: str, now: float) -> None:
        """Another process, which sees another share of the traffic, has ejected the backend: so do we."""
        if standing.backend.state is State.UP:
            self._take_out(standing, reason, now)

    def reinstate(self, standing: Standing, reason: str, now: float) -> None:
        """Another process says that the ejection is over, or that there was to be none."""
        if standing.backend.state is State.EJECTED:
            self._serving.pop(standing, None)
            self._move(standing, Cause.EJECTION_OVER, reason, now)

    def allowed(self) -> bool:
        """Whether there is room for one more."""
        rotation = self._rotation
        return may_eject(rotation.ejected, rotation.up, rotation.in_service, self._settings)

    def forget(self, standing: Standing) -> None:
        """What the backend did so far counts no more, neither for it nor for the others."""
        self._jury.forget(standing.outcomes)

    def tick(self, standings: Iterable[Standing], now: float) -> None:
        """End the ejections that are over; once a second, look for latency outliers."""
        for standing in list(self._serving):
            if standing.backend.state is not State.EJECTED:
                del self._serving[standing]
            elif self._ends_here and now >= standing.sentence.until and standing.passed_since_moved:
                del self._serving[standing]
                self._move(standing, Cause.EJECTION_OVER, "ejection over, probes pass", now)
        if self._settings.latency_factor and now - self._outliers_checked >= _OUTLIER_CHECK_EVERY:
            self._outliers_checked = now
            self._eject_outliers(standings, now)

    def _eject_outliers(self, standings: Iterable[Standing], now: float) -> None:
        up = {standing.backend: standing for standing in standings if standing.backend.state is State.UP}
        for backend, reason in slow_outliers(list(up), self._settings):
            self._eject(up[backend], reason, now)

    def _eject(self, standing: Standing, reason: str, now: float) -> None:
        if not self.allowed():
            return
        self._take_out(standing, reason, now)
        standing.want_probe(reason, now)

    def _take_out(self, standing: Standing, reason: str, now: float) -> None:
        length = standing.sentence.eject(now, self._settings)
        told = f"{reason}; ejected for {length:.1f} s" if self._ends_here else reason
        self._move(standing, Cause.TRAFFIC_FAILS, told, now)
        self._serving[standing] = None
