/** The connection to the service: one HTTP/2 connection, optionally with TLS and a token. */

import { readFileSync } from "node:fs";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** The default address of the service. */
export const ADDRESS = "127.0.0.1:50710";

/** The address and credentials for a service. Certificates or a token require TLS. */
export interface Server {
  address: string;
  /** A PEM file with the authorities to trust. */
  rootCertificates?: string | undefined;
  /** A file with a token that identifies the caller. */
  tokenFile?: string | undefined;
}

/** A connection that opens at the first call, and opens again after a failure. */
export class Connection {
  readonly transport: Transport;
  readonly #session: Http2SessionManager;

  constructor({ address, rootCertificates, tokenFile }: Server) {
    const scheme = rootCertificates || tokenFile ? "https" : "http";
    const baseUrl = `${scheme}://${address}`;
    // Pings detect a service that disappears without closing the connection.
    const pings = { pingIntervalMs: 60_000, pingTimeoutMs: 20_000 };
    const trusted = rootCertificates ? { ca: readFileSync(rootCertificates) } : {};
    this.#session = new Http2SessionManager(baseUrl, pings, trusted);
    const interceptors = tokenFile ? [bearing(readFileSync(tokenFile, "utf8").trim())] : [];
    this.transport = createGrpcTransport({ baseUrl, interceptors, sessionManager: this.#session });
  }

  /** Close the connection, and cancel all open calls. */
  close(): void {
    this.#session.abort();
  }
}

function bearing(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
