"""What a failed call comes to, by what its trailer says."""

import copy
import inspect
import pickle
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from pourparler import errors
from pourparler import v1 as pb
from pourparler.errors import PourparlerError, Violation, error_of_call
from pourparler_service.api.error_status import status_message
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.domain.refusal import Violation as Finding


class Failed:
    """A call that has failed, as gRPC shows it."""

    def __init__(
        self, code: grpc.StatusCode, details: str | None, *trailer: tuple[str, Any]
    ) -> None:
        self._code, self._details, self._trailer = code, details, trailer

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, Any], ...] | None:
        return self._trailer or None


def failed(code: grpc.StatusCode, *details: Message, message: str = "It failed.") -> Failed:
    status = status_pb2.Status(message=message)
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    trailer = ("grpc-status-details-bin", status.SerializeToString())
    return Failed(code, message, ("other", "value"), trailer)


def refused(*findings: Finding) -> PourparlerError:
    """What becomes of a refusal of the service on its way to the caller."""
    status = status_message(RefusalError(findings))
    code = next(one for one in grpc.StatusCode if one.value[0] == status.code)
    trailer = ("grpc-status-details-bin", status.SerializeToString())
    return error_of_call(Failed(code, status.message, trailer))


def test_a_refusal_of_the_service_arrives_whole() -> None:
    error = refused(
        Finding(
            pb.ERROR_REASON_PROPOSAL_NOT_OPEN,
            "drafts[2].facts.proposal_answered.proposal_id",
            "The proposal 'offer-1' is not open: it was accepted.",
            {"proposal_id": "offer-1"},
        )
    )

    assert type(error) is errors.FailedPreconditionError
    assert error.code == "FAILED_PRECONDITION"
    assert error.reason == "PROPOSAL_NOT_OPEN"
    assert error.field == "drafts[2].facts.proposal_answered.proposal_id"
    assert error.message == "The proposal 'offer-1' is not open: it was accepted."
    assert error.metadata["proposal_id"] == "offer-1"
    assert str(error) == (
        "The proposal 'offer-1' is not open: it was accepted."
        " [PROPOSAL_NOT_OPEN: drafts[2].facts.proposal_answered.proposal_id]"
    )


def test_every_violation_of_a_malformed_request_arrives() -> None:
    error = refused(
        Finding(pb.ERROR_REASON_FIELD_REQUIRED, "drafts[0].words.text", "It is missing.", {}),
        Finding(pb.ERROR_REASON_ID_INVALID, "drafts[1].facts.session_id", "It is no id.", {}),
    )

    assert type(error) is errors.InvalidArgumentError
    assert error.violations == (
        Violation("drafts[0].words.text", "It is missing.", "FIELD_REQUIRED"),
        Violation("drafts[1].facts.session_id", "It is no id.", "ID_INVALID"),
    )
    assert error.reason == "FIELD_REQUIRED"


def test_a_version_mismatch_says_which_versions() -> None:
    error = refused(
        Finding(
            pb.ERROR_REASON_VERSION_MISMATCH,
            "expected_version",
            "The negotiation is at version 9, not 7.",
            {"expected_version": "7", "version": "9"},
        )
    )

    assert isinstance(error, errors.VersionMismatchError)
    assert (error.expected, error.current) == (7, 9)


def test_a_version_mismatch_without_numbers_says_none() -> None:
    error = error_of_call(failed(grpc.StatusCode.ABORTED))

    assert isinstance(error, errors.VersionMismatchError)
    assert error.expected is None
    assert error.current is None


def test_a_fault_of_the_service_has_an_id() -> None:
    error = refused(Finding(pb.ERROR_REASON_INTERNAL, "", "At fault.", {"fault_id": "f7"}))

    assert isinstance(error, errors.InternalError)
    assert error.fault_id == "f7"


def test_overload_says_when_to_come_back_and_a_request_too_large_is_another_thing() -> None:
    overloaded = refused(Finding(pb.ERROR_REASON_OVERLOADED, "", "Too much.", {}))
    too_large = refused(Finding(pb.ERROR_REASON_MESSAGE_TOO_LARGE, "", "Too large.", {}))
    by_grpc = error_of_call(
        Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than")
    )

    assert type(overloaded) is errors.ResourceExhaustedError
    assert overloaded.retry_after == 0.5
    assert type(too_large) is errors.MessageTooLargeError
    assert type(by_grpc) is errors.MessageTooLargeError
    assert by_grpc.reason == ""


@pytest.mark.parametrize("reason", pb.ErrorReason.values()[1:], ids=pb.ErrorReason.Name)
def test_every_reason_of_the_contract_has_a_class_with_its_status(
    reason: pb.ErrorReason.ValueType,
) -> None:
    error = refused(Finding(reason, "", "No.", {}))

    assert type(error) is not PourparlerError
    assert error.reason == pb.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    options = pb.ErrorReason.DESCRIPTOR.values_by_number[reason].GetOptions()
    assert error.code == type(error).code == options.Extensions[pb.status]


@pytest.mark.parametrize("code", grpc.StatusCode, ids=lambda code: code.name)
def test_a_bare_status_comes_to_an_error_with_its_code(code: grpc.StatusCode) -> None:
    error = error_of_call(Failed(code, None))

    assert error.code == code.name
    assert error.reason == ""
    assert error.message
    assert str(error) == error.message


def test_what_did_not_come_from_the_service_says_so_plainly() -> None:
    gone = error_of_call(Failed(grpc.StatusCode.UNAVAILABLE, "Connection refused"))
    late = error_of_call(Failed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))

    assert str(gone) == "The service cannot be reached: Connection refused"
    assert str(late) == "The service did not answer in time."


def test_the_reason_of_somebody_else_is_not_taken_for_ours() -> None:
    info = error_details_pb2.ErrorInfo(reason="QUOTA", domain="proxy.example")

    assert error_of_call(failed(grpc.StatusCode.UNAVAILABLE, info)).reason == ""


def test_details_that_cannot_be_read_leave_the_message() -> None:
    trailer = ("grpc-status-details-bin", b"\xff\xff not a status")

    error = error_of_call(Failed(grpc.StatusCode.NOT_FOUND, "There is none.", trailer))

    assert type(error) is errors.NotFoundError
    assert error.message == "There is none."


def test_an_error_survives_being_copied_and_pickled() -> None:
    error = refused(
        Finding(pb.ERROR_REASON_ID_ALREADY_USED, "drafts[0]", "It was used.", {"id": "offer-1"})
    )

    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 (our own)
        assert type(again) is errors.AlreadyExistsError
        assert vars(again) == vars(error)
        assert str(again) == str(error)


def test_the_tree_that_is_drawn_is_the_tree_there_is() -> None:
    drawn = [
        line.strip("│├└─ ").split()[0]
        for line in (errors.__doc__ or "").splitlines()
        if "PourparlerError  " in line or "── " in line
    ]
    classes = [
        name
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, PourparlerError)
    ]

    assert sorted(drawn) == sorted(classes)
