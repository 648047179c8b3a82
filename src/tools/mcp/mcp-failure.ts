/**
 * What can go wrong at an MCP server, in our own words: no error of the SDK leaves
 * `mcp-connection.ts`.
 */
import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from "@modelcontextprotocol/client";
import { isObject, parseJson, type JsonObject } from "../../openai/json.ts";
import { AddressRefused } from "../addresses/address-policy.ts";

/** Origin in the `data` of errors that `mcp-transport.ts` answers in the server's place. */
export const CONNECTION_LOST = "mcp-connection";
/** Origin in the `data` of errors that the sidecar answers in the server's place. */
const SIDECAR = "mcp-sidecar";

/**
 * `answer`: a JSON-RPC error. `said`: the same, and its sentence says all. `busy`: likewise, and
 * nothing was run. `lost`: the connection ended before the answer. `http`: a status that is no
 * success. `unreadable`: an answer that is no MCP. `refused`: by our address policy. `unreachable`:
 * everything else, nobody listening included.
 */
type FailureKind =
  | "answer"
  | "said"
  | "busy"
  | "lost"
  | "http"
  | "unreadable"
  | "refused"
  | "unreachable";

/** A request that an MCP server did not answer with a result. */
export class McpFailure extends Error {
  readonly kind: FailureKind;
  /** The JSON-RPC code of an `answer`, the status of an `http`. */
  readonly code: number | null;
  constructor(kind: FailureKind, message: string, options: { code?: number; cause: unknown }) {
    super(message, { cause: options.cause });
    this.name = "McpFailure";
    this.kind = kind;
    this.code = options.code ?? null;
  }
}

/** JSON-RPC: the server has no such method. */
export const METHOD_NOT_FOUND = -32_601;
/** MCP 2026-07-28: a header does not repeat what the body says. */
export const HEADER_MISMATCH = -32_020;
const UNSUPPORTED_VERSION = -32_022;

function* causesOf(error: unknown): Generator<Error> {
  for (let cause = error; cause instanceof Error; cause = cause.cause) yield cause;
}

/** Every way in which the SDK, `fetch` and our own layers below it fail, as one of ours. */
export function failureOf(error: unknown): McpFailure {
  if (error instanceof McpFailure) return error;
  const causes = [...causesOf(error)];
  const refused = causes.find((cause) => cause instanceof AddressRefused);
  if (refused !== undefined) return new McpFailure("refused", refused.message, { cause: error });
  if (error instanceof ProtocolError) return answerOf(error);
  if (error instanceof SdkHttpError) return statusOf(error);
  if (error instanceof SdkError && UNREADABLE.has(error.code)) {
    const asks = isObject(error.data) && error.data["resultType"] === "input_required";
    return new McpFailure(
      "unreadable",
      asks ? "it asks a question back, which nobody here can answer" : error.message,
      { cause: error },
    );
  }
  // The innermost says most: `fetch failed` is what undici wraps around every cause.
  const deepest = causes.findLast(({ message }) => message !== "");
  return new McpFailure("unreachable", deepest?.message ?? String(error), { cause: error });
}

const UNREADABLE = new Set<SdkErrorCode>([
  SdkErrorCode.InvalidResult,
  SdkErrorCode.UnsupportedResultType,
  SdkErrorCode.ClientHttpUnexpectedContent,
]);

function statusOf(error: SdkHttpError): McpFailure {
  const text = typeof error.data["text"] === "string" ? error.data["text"] : "";
  const message = (messageIn(text) ?? text).trim().slice(0, 500);
  // That is how 2026-07-28 says it; a 404 of other kinds is an unknown session.
  if (error.status === 404 && errorIn(text)?.["code"] === METHOD_NOT_FOUND)
    return new McpFailure("answer", message, { code: METHOD_NOT_FOUND, cause: error });
  return new McpFailure("http", message, { code: error.status, cause: error });
}

function answerOf(error: ProtocolError): McpFailure {
  const { origin, isBusy } = isObject(error.data) ? error.data : {};
  const ofSidecar = isBusy === true ? "busy" : "said";
  const kind = origin === CONNECTION_LOST ? "lost" : origin === SIDECAR ? ofSidecar : "answer";
  // Servers on SDK v1 put this before the message themselves.
  return new McpFailure(kind, error.message.replace(/^(?:MCP error -?\d+: )+/, ""), {
    code: error.code,
    cause: error,
  });
}

function errorIn(text: string): JsonObject | undefined {
  const body = parseJson(text);
  const error = isObject(body) ? body["error"] : undefined;
  return isObject(error) ? error : undefined;
}

/** The sentence in a JSON error body, be it ours, OpenAI's or JSON-RPC's. */
export function messageIn(text: string): string | undefined {
  const message = errorIn(text)?.["message"];
  return typeof message === "string" ? message : undefined;
}

/** Whether the server itself answered, so that the connection is sound. */
export function isAnswer(error: unknown): boolean {
  return error instanceof McpFailure && ["answer", "said", "busy"].includes(error.kind);
}

/**
 * Whether it is certain that the server ran nothing, so that a second try is harmless: unknown
 * session, or nobody listens.
 */
export function wasNotReceived(error: unknown): boolean {
  if (!(error instanceof McpFailure)) return false;
  if (error.kind === "http") return error.code === 404;
  return (
    error.kind === "unreachable" &&
    [...causesOf(error)].some((cause) => "code" in cause && cause.code === "ECONNREFUSED")
  );
}

/**
 * Statuses with which servers of one era turn away requests of the other; 401, 403 and 429 say
 * nothing about eras.
 */
const OTHER_ERA = new Set([400, 404, 405, 406, 415]);

/**
 * Whether the server may have come to speak the protocol of another era than the one it was asked
 * in.
 */
export function deniesEra(error: unknown): boolean {
  if (!(error instanceof McpFailure)) return false;
  if (error.kind === "http") return OTHER_ERA.has(error.code ?? 0);
  return (
    error.kind === "unreadable" || (error.kind === "answer" && error.code === UNSUPPORTED_VERSION)
  );
}

/**
 * Whether only the question for the era may have failed: a server that breaks on it, or says
 * nothing, may still shake hands. The SDK takes neither for an answer, and gives up.
 */
export function mayShakeHands(error: unknown): boolean {
  if (!(error instanceof McpFailure)) return false;
  if (error.kind === "http") return (error.code ?? 0) >= 500;
  return (
    error.kind === "unreadable" ||
    [...causesOf(error)].some(
      (cause) => cause instanceof SdkError && cause.code === SdkErrorCode.RequestTimeout,
    )
  );
}
