// Records, reads and is refused, knowing nothing of the contract but what reflection says.
// Arguments: an address, v1 or v1alpha, and a file with the requests. Prints what came back, as JSON.

import { readFile } from "node:fs/promises";
import grpc from "@grpc/grpc-js";
import reflection from "grpc-js-reflection-client";
import protobuf from "protobufjs";

const [address, version, path] = process.argv.slice(2);
const asked = JSON.parse(await readFile(path, "utf8"));
const credentials = grpc.credentials.createInsecure();
const reflected = new reflection.GrpcReflection(address, credentials, {}, version);

// The two messages in which every refusal says why; they are the same for all gRPC services.
const { root } = protobuf.parse(
  `syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }`,
  { keepCase: true },
);

async function service(name) {
  const descriptor = await reflected.getDescriptorBySymbol(`pourparler.v1.${name}`);
  const found = descriptor.getPackageObject({
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return new found.pourparler.v1[name](address, credentials);
}

const deadline = () => ({ deadline: Date.now() + 10_000 });

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

async function stream(client, method, request) {
  const messages = [];
  for await (const message of client[method](request, deadline())) messages.push(message);
  return messages;
}

function refusal(error) {
  const [data] = error.metadata.get("grpc-status-details-bin");
  const status = root.lookupType("Status").decode(data);
  const info = root.lookupType("ErrorInfo").decode(status.details[0].value);
  return {
    code: grpc.status[error.code],
    text: error.details,
    status: { code: status.code, message: status.message },
    types: status.details.map((detail) => detail.type_url),
    reason: info.reason,
    domain: info.domain,
    metadata: info.metadata,
  };
}

const services = await reflected.listServices();
const [records, negotiations, audits] = await Promise.all(
  ["RecordService", "NegotiationService", "AuditService"].map(service),
);
const { receipt } = await call(records, "RecordEntries", asked.record);
const again = await call(records, "RecordEntries", asked.record);
const state = await call(negotiations, "GetNegotiation", { name: receipt.negotiation });
const replay = await stream(audits, "ReplayEntries", { name: receipt.negotiation });
const refused = await call(records, "RecordEntries", asked.refused).then(
  () => null,
  (error) => refusal(error),
);
const refusedStream = await stream(audits, "ReplayEntries", { name: "negotiations/unknown" }).then(
  () => null,
  (error) => refusal(error),
);
console.log(
  JSON.stringify({ services, receipt, again: again.receipt, state, replay, refused, refusedStream }),
);
process.exit(0);
