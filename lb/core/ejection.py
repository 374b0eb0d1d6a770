"""Ejections: backends taken out of rotation because of live traffic, the limits on that, and when an ejection ends."""

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

_OUTLIER_CHECK_INTERVAL: Final = 1.0


class Ejections:
    """Counts outcomes, ejects backends, and reinstates them when the ejection is over and their probes pass."""

    def __init__(
        self, settings: PassiveSettings, rotation: Rotation, move: Move, *, decides_expiry: bool = True
    ) -> None:
        """`decides_expiry`: this process, and not another one, decides when an ejection is over."""
        self._settings = settings
        self._decides_expiry = decides_expiry
        self._rotation = rotation
        self._move = move
        self._detector = OutlierDetector(settings)
        self._ejected: dict[HealthRecord, None] = {}
        self._outliers_checked = 0.0

    def use(self, settings: PassiveSettings) -> None:
        """Apply new settings. Ejections that have started keep their length."""
        self._settings = settings
        self._detector.use(settings)

    def count(self, record: HealthRecord, now: float, *, failed: bool, suspect_only: bool = False) -> None:
        """Count the outcome of a request on an UP backend, and eject the backend if the outlier detector gives a
        reason.

        With `suspect_only` the backend is suspected instead. It is set while no probe has passed since an earlier
        failure: the backend may be dead, and probes must decide. Otherwise a crash under load would end in an ejection,
        and readmission would have to wait for its end.
        """
        reason = self._detector.record(record.outcomes, failed, now)
        if reason and suspect_only:
            record.suspect(reason, now)
        elif reason:
            self._eject(record, reason, now)

    def mirror(self, record: HealthRecord, reason: str, now: float) -> None:
        """Eject the backend because another process, which serves another part of the traffic, has ejected it."""
        if record.backend.state is State.UP:
            self._start_ejection(record, reason, now)

    def reinstate(self, record: HealthRecord, reason: str, now: float) -> None:
        """End an ejection because another process has ended or rejected it."""
        if record.backend.state is State.EJECTED:
            self._ejected.pop(record, None)
            self._move(record, Cause.EJECTION_OVER, reason, now)

    def allowed(self) -> bool:
        """Return whether the limits allow one more ejection."""
        rotation = self._rotation
        return may_eject(rotation.ejected, rotation.up, rotation.in_service, self._settings)

    def discard_outcomes(self, record: HealthRecord) -> None:
        """Discard the outcomes of the backend, so that they count neither for it nor for the comparison with others."""
        self._detector.discard(record.outcomes)

    def tick(self, records: Iterable[HealthRecord], now: float) -> None:
        """End the ejections that are over. Once a second, eject latency outliers."""
        for record in list(self._ejected):
            if record.backend.state is not State.EJECTED:
                del self._ejected[record]
            elif self._decides_expiry and now >= record.ejection_backoff.until and record.passed_since_transition:
                del self._ejected[record]
                self._move(record, Cause.EJECTION_OVER, "ejection over, probes pass", now)
        if self._settings.latency_factor and now - self._outliers_checked >= _OUTLIER_CHECK_INTERVAL:
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
