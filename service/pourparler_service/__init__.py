"""The service that keeps the record of negotiations, and answers for their state over gRPC."""
