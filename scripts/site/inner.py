"""Members of public classes that are for other parts of Sockwave, and so not in the reference.

They have no underscore, since another file calls them; no user has a reason to. A test sees that
each of them is there.
"""

from __future__ import annotations

from typing import Final

__all__ = ["INNER"]

_REACHED: Final = (
    "broadcast broadcast_with_ack fetch_selected select_local join_selected leave_selected"
    " disconnect_selected count_selected count_servers join_local leave_local disconnect_local"
    " describe_local"
)
_EMITTING: Final = "emit_local"

_NAMES: Final = {
    "Server": "cluster_changed find_namespace make_dynamic forget_namespace new_socket_id"
    " handler_failed stoppable open_at",
    "Namespace": "recovery_means tell_servers ask_servers server_event_received member_joined"
    " member_left cluster_failed unhandled has_long_way lane lane_emptied next_ack_id make_socket"
    f" admitted turned_away forget vacated {_REACHED}",
    "ParentNamespace": f"is_pattern fits make_child forget_child {_REACHED}",
    "Socket": "id_in_logs handles superseded leave_namespace tell_left forget_handlers"
    " handler_failed ack_received deliver expect_ack forget_ack unreachable drained emit_flagged"
    f" emit_flagged_and_wait event_received begin_job end_job {_EMITTING}",
    "BroadcastAnswers": "take take_all",
    "Cluster": "joined left failed",
    "Listener": "of announce",
    "Request": "pack drop_credentials",
    "Headers": "pack",
    "ClientSocket": "enter_with loop_changed handler_failed callback_failed tell_outgoing began"
    f" ended dispatch {_EMITTING}",
    "EventStream": "wants put loop_changed end on_end",
    "Manager": "watches_packets own_socket socket_activated socket_deactivated answer_unwanted"
    " socket_refused restart handler_started handler_ended early_event handler_failed"
    " wait_closings new_connection attempt_failed attempts_ended stopped loop_ends attach"
    " is_current connection_opened connection_upgraded connection_closed socket_accepted"
    f" {_EMITTING}",
    "EngineServer": "tell_closing is_stopping keeps_idle_connections is_ours handle_request"
    " payload_too_large handle_upgrade success_headers error_headers call_soon turns compressions"
    " turn_clock refuse share_port open_session open_packet file_handler session_handler"
    " session_closer goes_on_elsewhere trusted_proxies rates router relay id_prefix"
    " elsewhere polling_kind",
    "Engine": "stoppable open_at",
    "ServerSession": "probed text_message binary_message session_drained session_closed"
    " text_received binary_received transport_writable transport_closed may_upgrade begin_upgrade"
    " probe_failed returned is_tried_by take_over discard is_over_by_now lose handle_timeout"
    f" resume_reading flush mark_queue withdraw held pause_reading send_packet {_EMITTING}",
    "ClusterAdapter": "message_received decoded refused has_room messages_lost addresses_gone"
    " deliver_here join_remote leave_remote disconnect_remote ask_remote fetch_remote count_remote"
    " meet is_deaf",
    "PythonSocketIOAdapter": "is_deaf start stop publish bus_received bus_failed",
    "UnixDriver": "peer_gone confirmed incoming_began incoming_ended greeted message_received",
    "MemoryBroker": "connect forget tell_gone carry",
    "MemoryDriver": "listen listeners arrived told_gone",
    "FaultProxy": "serve forward",
    "HttpFaultProxy": "serve",
    "LinkedTransport": "write buffered progress close discard pause_reading resume_reading",
}

INNER: Final = {owner: frozenset(names.split()) for owner, names in _NAMES.items()}
"""Names of members by the name of the class that they are left out of, and of those below it."""
