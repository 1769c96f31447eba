"""The gRPC channel: its target, its options, and the methods whose responses stay bytes."""

from collections.abc import Mapping

from pourparler import v1 as pb

DEFAULT_TARGET = "127.0.0.1:50710"
"""The address of a service with default settings."""

DEFAULT_TIMEOUT = 10.0
"""The time that a call may take in all, in seconds, including its retries."""

CHUNK_BYTES = 1 << 18
"""The size of one chunk of an uploaded bundle, in bytes."""

CHANNEL_OPTIONS = (
    # A state grows with its history. The limit is wide, but it bounds the memory of the client.
    ("grpc.max_receive_message_length", 256 << 20),
    # Keepalive detects a service that disappeared without closing the connection.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # After a restart of the service, a call reconnects within its timeout.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # An HTTP proxy for outside traffic may not reach a local service.
    ("grpc.enable_http_proxy", 0),
)

# Checks of receipts and bundles hash the bytes that the service sent: a message that was parsed and
# written again can differ from them.
RECORD_METHOD = "/pourparler.v1.RecordService/RecordEntries"
BATCH_METHOD = "/pourparler.v1.RecordService/BatchRecordEntries"
STREAM_METHOD = "/pourparler.v1.RecordService/StreamRecordEntries"
REPLAY_METHOD = "/pourparler.v1.AuditService/ReplayEntries"

PROOF_METHODS: Mapping[type, str] = {
    pb.GetCheckpointRequest: "GetCheckpoint",
    pb.GetInclusionProofRequest: "GetInclusionProof",
    pb.GetConsistencyProofRequest: "GetConsistencyProof",
}
"""The method of AuditService for each type of request."""
