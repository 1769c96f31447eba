/** How the service is reached: over one HTTP/2 connection, as whom, and until when. */

import { readFileSync } from "node:fs";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** Where the service listens unless it is told otherwise. */
export const ADDRESS = "127.0.0.1:50710";

/** What leads to a service; with certificates or a token, by TLS and not otherwise. */
export interface Server {
  address: string;
  /** A file with the authorities to trust, in PEM. */
  rootCertificates?: string | undefined;
  /** A file with a token that says who calls. */
  tokenFile?: string | undefined;
}

/** A connection, made when it is first needed and made anew when it has broken. */
export class Connection {
  readonly transport: Transport;
  readonly #session: Http2SessionManager;

  constructor({ address, rootCertificates, tokenFile }: Server) {
    const scheme = rootCertificates || tokenFile ? "https" : "http";
    const baseUrl = `${scheme}://${address}`;
    // A service that is gone without a word is noticed by its silence.
    const pings = { pingIntervalMs: 60_000, pingTimeoutMs: 20_000 };
    const trusted = rootCertificates ? { ca: readFileSync(rootCertificates) } : {};
    this.#session = new Http2SessionManager(baseUrl, pings, trusted);
    const interceptors = tokenFile ? [bearing(readFileSync(tokenFile, "utf8").trim())] : [];
    this.transport = createGrpcTransport({ baseUrl, interceptors, sessionManager: this.#session });
  }

  /** End it, and every call under way. */
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
