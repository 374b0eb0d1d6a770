"""Envoy's quirks: a wrong status decides at once, the route's time-out ends requests, ejections are limited."""

from __future__ import annotations

import math
from typing import ClassVar, Final

from ..failover_model import Case, FailoverModel
from ..prediction import Duration
from ..suggestions import Knob, Suggestion
from ..terms import whole

_API: Final = "https://www.envoyproxy.io/docs/envoy/latest/api-v3"
_CHECKS: Final = f"{_API}/config/core/v3/health_check.proto"
_OUTLIERS: Final = f"{_API}/config/cluster/v3/outlier_detection.proto"
_CLUSTER: Final = f"{_API}/config/cluster/v3/cluster.proto"
_ROUTE: Final = f"{_API}/config/route/v3/route_components.proto"


class EnvoyModel(FailoverModel):
    """Predicts for Envoy. Consecutive errors eject at once; only the return waits for the detector's interval."""

    program = "envoy"
    docs: ClassVar = {
        "": _ROUTE,
        **dict.fromkeys(("I", "f", "d", "F", "R", "T", "j"), _CHECKS),
        **dict.fromkeys(("n", "X", "E"), _OUTLIERS),
        "C": _CLUSTER,
    }
    lines: ClassVar = {
        Knob.RESPONSE_TIMEOUT: Suggestion("per_try_timeout: {seconds:g}s", _ROUTE),
        Knob.RETRY: Suggestion("retry_policy: {retry_on: connect-failure, num_retries: 1}", _ROUTE),
        Knob.OTHER_SERVER: Suggestion(
            "retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts, typed_config: "
            '{"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]',
            _ROUTE,
        ),
        Knob.POSTS: Suggestion("retry_on: connect-failure,refused-stream", _ROUTE),
        Knob.ATTEMPTS: Suggestion("num_retries: 1", _ROUTE),
        Knob.PANIC: Suggestion("common_lb_config: {healthy_panic_threshold: {value: 0}}", _CLUSTER),
        Knob.FALL: Suggestion("unhealthy_threshold: 2", _CHECKS),
        Knob.CHECKS: Suggestion(
            "health_checks: [{interval: 1s, timeout: 0.4s, unhealthy_threshold: 2, healthy_threshold: 2, "
            "http_health_check: {path: /health}}]",
            _CHECKS,
        ),
        Knob.IDLE: Suggestion("common_http_protocol_options: {idle_timeout: {seconds:g}s}", _CLUSTER),
        Knob.EJECTED: Suggestion("max_ejection_percent: 50", _OUTLIERS),
    }
    bad_status_decides = True
    total_ends_request = True

    def can_eject(self, case: Case) -> bool:
        """Return whether `max_ejection_percent` of the servers is at least one. It has been so since Envoy 1.30."""
        passive = case.settings.passive
        if passive is None or passive.most_ejected is None:
            return True
        return math.floor(round(passive.most_ejected.value * case.situation.servers, 6)) >= 1

    def ejection_ends(self, case: Case) -> Duration:
        """The detector looks for ejections that have ended at its own interval only."""
        ends = super().ejection_ends(case)
        passive = case.settings.passive
        if passive is None or passive.returns_every_s is None:
            return ends
        return ends.plus(whole(self.names.given("E", "interval of outlier detection", passive.returns_every_s)))

    def notes(self, case: Case) -> tuple[str, ...]:
        """Add a note on how ejections grow."""
        told, passive = super().notes(case), case.settings.passive
        if passive is None or passive.returns_by_checks:
            return told
        return (*told, "X grows by itself with each ejection in a row")
