"""The sentences that describe anomalies. Pure."""

from collections.abc import Iterable, Mapping

from pourparler import v1 as pb

_SENTENCES: Mapping[int, str] = {
    pb.ANOMALY_KIND_ANSWERED_BEFORE_OFFER: "the answer is dated before the proposal",
    pb.ANOMALY_KIND_ACCEPTED_AFTER_EXPIRY: "the acceptance is dated after the expiry",
    pb.ANOMALY_KIND_CHANGED_BEFORE_MADE: "the change is dated before the part itself",
    pb.ANOMALY_KIND_ACTED_BEFORE_JOINING: "the participant acted before it joined",
    pb.ANOMALY_KIND_ACTED_AFTER_LEAVING: "the participant acted after it left",
    pb.ANOMALY_KIND_AGREEMENT_DIFFERS: "the terms differ from those of the accepted proposal",
    pb.ANOMALY_KIND_RESULT_DIFFERS: "the declared result differs from the votes",
    pb.ANOMALY_KIND_APPROVAL_MISSING: "it is in force without a needed approval",
    pb.ANOMALY_KIND_OFFER_OF_DEPARTED: "it is open, and its proposer has left",
    pb.ANOMALY_KIND_IN_FORCE_BEFORE_EFFECTIVE: "it is in force before its effective date",
    pb.ANOMALY_KIND_SILENCE_BEFORE_DATE: "silence accepted it before its date",
    pb.ANOMALY_KIND_AMENDS_NOT_IN_FORCE: "it is in force, and what it amends is not",
    pb.ANOMALY_KIND_DATED_AFTER_END: "it is dated after the end of the talks",
}


def kind_name(anomaly: pb.Anomaly) -> str:
    """Return the stable name of the kind of an anomaly: `AGREEMENT_DIFFERS`."""
    return pb.AnomalyKind.Name(anomaly.kind).removeprefix("ANOMALY_KIND_")


def describe(anomaly: pb.Anomaly) -> str:
    """Return one sentence: the part, what does not fit, the kind and the versions."""
    kind, _, key = anomaly.part.partition("/")
    keys = f" ({', '.join(anomaly.keys)})" if anomaly.keys else ""
    versions = ", ".join(f"#{one}" for one in anomaly.versions)
    said = _SENTENCES.get(anomaly.kind, "entries do not fit together")
    return f"{kind.removesuffix('s')} {key}: {said}{keys} [{kind_name(anomaly)}, {versions}]"


def of_versions(anomalies: Iterable[pb.Anomaly], versions: Iterable[int]) -> list[pb.Anomaly]:
    """Return the anomalies that entries at these versions cause or concern."""
    wanted = set(versions)
    return [one for one in anomalies if not wanted.isdisjoint(one.versions)]
