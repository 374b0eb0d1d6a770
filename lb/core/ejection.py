"""Ejections: who is taken out because of live traffic, within which limits, and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from .backend import State
from .candidates import Rotation
from .health import Cause
from .health_record import HealthRecord
from .outlier_detection import OutlierDetector, latency_outliers, may_eject
from .settings import PassiveSettings

Move = Callable[[HealthRecord, Cause, str, float], None]

_OUTLIER_CHECK_EVERY: Final = 1.0


class Ejections:
    """Counts outcomes, ejects for them, and brings back whoever has served its time and passes its probes."""

    def __init__(
        self, settings: PassiveSettings, rotation: Rotation, move: Move, *, decides_expiry: bool = True
    ) -> None:
        """`decides_expiry`: not another process but this one says when an ejection is over."""
        self._settings = settings
        self._decides_expiry = decides_expiry
        self._rotation = rotation
        self._move = move
        self._detector = OutlierDetector(settings)
        self._ejected: dict[HealthRecord, None] = {}
        self._outliers_checked = 0.0

    def use(self, settings: PassiveSettings) -> None:
        """Judge by other settings; sentences that are being served stay."""
        self._settings = settings
        self._detector.use(settings)

    def count(self, record: HealthRecord, now: float, *, failed: bool, suspect_only: bool = False) -> None:
        """Count an outcome of an UP backend, and eject for it if the jury says so.

        `suspect_only` while no probe has contradicted earlier failures yet: the backend may simply be dead, which is
        for probes to say. Otherwise a crash under load would end in an ejection, and readmission would wait for it.
        """
        reason = self._detector.record(record.outcomes, failed, now)
        if reason and suspect_only:
            record.suspect(0.0, 0.0, reason, now)
        elif reason:
            self._eject(record, reason, now)

    def mirror(self, record: HealthRecord, reason: str, now: float) -> None:
        """Another process, which sees another share of the traffic, has ejected the backend: so do we."""
        if record.backend.state is State.UP:
            self._start_ejection(record, reason, now)

    def reinstate(self, record: HealthRecord, reason: str, now: float) -> None:
        """Another process says that the ejection is over, or that there was to be none."""
        if record.backend.state is State.EJECTED:
            self._ejected.pop(record, None)
            self._move(record, Cause.EJECTION_OVER, reason, now)

    def allowed(self) -> bool:
        """Whether there is room for one more."""
        rotation = self._rotation
        return may_eject(rotation.ejected, rotation.up, rotation.in_service, self._settings)

    def discard_outcomes(self, record: HealthRecord) -> None:
        """What the backend did so far counts no more, neither for it nor for the others."""
        self._detector.discard(record.outcomes)

    def tick(self, records: Iterable[HealthRecord], now: float) -> None:
        """End the ejections that are over; once a second, look for latency outliers."""
        for record in list(self._ejected):
            if record.backend.state is not State.EJECTED:
                del self._ejected[record]
            elif self._decides_expiry and now >= record.ejection_backoff.until and record.passed_since_transition:
                del self._ejected[record]
                self._move(record, Cause.EJECTION_OVER, "ejection over, probes pass", now)
        if self._settings.latency_factor and now - self._outliers_checked >= _OUTLIER_CHECK_EVERY:
            self._outliers_checked = now
            self._eject_outliers(records, now)

    def _eject_outliers(self, records: Iterable[HealthRecord], now: float) -> None:
        up = {record.backend: record for record in records if record.backend.state is State.UP}
        for backend, reason in latency_outliers(list(up), self._settings):
            self._eject(up[backend], reason, now)

    def _eject(self, record: HealthRecord, reason: str, now: float) -> None:
        if not self.allowed():
            return
        self._start_ejection(record, reason, now)
        record.doubt(reason, now)

    def _start_ejection(self, record: HealthRecord, reason: str, now: float) -> None:
        length = record.ejection_backoff.eject(now, self._settings)
        detail = f"{reason}; ejected for {length:.1f} s" if self._decides_expiry else reason
        self._move(record, Cause.TRAFFIC_FAILS, detail, now)
        self._ejected[record] = None
