"""Takes a worker's gauges for a scrape, in one pass over its sessions: about two microseconds each.

Not for the audio path. Called by the route `/metrics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.protocol.states import State
from earful.telemetry.gauges import Gauges
from earful.telemetry.totals import Totals

if TYPE_CHECKING:
    from earful.service.registry import Registry


def gauges_of(registry: Registry) -> Gauges:
    """How the worker of this registry stands."""
    states = dict.fromkeys((State.CREATE, State.ACTIVE, State.CLOSING), 0)
    held = unread = buffered_bytes = unsent_bytes = 0
    longest_lag_s = 0.0
    of_live = Totals()
    for connection in registry.connections.values():
        session, unsent = connection.session, connection.unsent_bytes
        states[session.state] = states.get(session.state, 0) + 1
        held += session.is_held
        unread += unsent > 0
        buffered_bytes += session.buffered_bytes
        unsent_bytes += unsent
        longest_lag_s = max(longest_lag_s, connection.lag_s)
        of_live.add(connection.totals)
    engine, processes = registry.engine, registry.engine.processes
    return Gauges(
        is_ready=engine.ready and not registry.draining,
        is_draining=registry.draining,
        is_accepting=registry.is_accepting,
        level=registry.level,
        sessions={state.value.lower(): count for state, count in states.items()},
        sessions_held=held,
        sessions_unread=unread,
        places=registry.limits.max_sessions,
        places_taken=registry.taken,
        uploads=registry.uploads,
        longest_lag_s=longest_lag_s,
        buffered_bytes=buffered_bytes,
        unsent_bytes=unsent_bytes,
        model_calls=engine.in_flight,
        model_waiting=engine.waiting,
        model_orphans=engine.orphans,
        model_replaced=engine.replaced,
        loop_load=registry.loop_load.load_of(registry.taken),
        model_load=registry.headroom.load_of(registry.taken),
        model_processes=processes.pool.alive if processes else 0,
        model_process_ends=dict(processes.pool.ends) if processes else {},
        model_replays=processes.replays if processes else 0,
        model_kept_bytes=processes.kept_bytes if processes else 0,
        of_live=of_live,
    )
