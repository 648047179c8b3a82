/** What every admin route does with its input: size, JSON, fields, ids, pages. */
import { zValidator } from "@hono/zod-validator";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { validator } from "hono/validator";
import { z } from "zod";
import { checkBody } from "../openai/json.ts";
import { ApiError } from "../openai/api-error.ts";
import { isStorableTime } from "../store/storable-time.ts";
import { isUuid } from "../store/uuid.ts";
import { parseWhole, withGivenNames } from "./keep-proto-members.ts";

/** A tool's code and schema fit many times. */
const MAX_BODY_BYTES = 1024 * 1024;

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new ApiError(
      "body_too_large",
      `The request body is larger than ${MAX_BODY_BYTES} bytes.`,
    );
  },
});

/**
 * Refuses bodies that are no JSON by their own account, and bodies that are too large. For routes
 * that read one.
 */
export const expectJson = createMiddleware(async (context, next) => {
  if (!JSON_TYPE.test(context.req.header("content-type") ?? "")) {
    throw new ApiError(
      "bad_request",
      "The request body must be JSON, with the header content-type: application/json.",
      {
        param: "content-type",
      },
    );
  }
  return limitBody(context, async () => {
    // Read once: the validator takes the same text.
    checkBody(await context.req.text());
    await next();
  });
});

function sentenceOf(issue: z.core.$ZodIssue): { message: string; param?: string } {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => (path === "" ? key : `${path}.${key}`));
    return {
      message: `There is no field ${names.map((name) => `"${name}"`).join(", ")} here.`,
      ...(names[0] === undefined ? {} : { param: names[0] }),
    };
  }
  const reason = issue.message.endsWith("received undefined")
    ? "is missing"
    : issue.message.replace(/\.$/, "");
  return path === ""
    ? { message: `The request body: ${reason}.` }
    : { message: `${path}: ${reason}.`, param: path };
}

/** @throws ApiError 400 that names the field and the reason */
function refuse(issues: readonly z.core.$ZodIssue[]): never {
  const faults = issues.map(sentenceOf);
  const param = faults[0]?.param;
  throw new ApiError(
    "invalid_value",
    withGivenNames(faults.map(({ message }) => message).join(" ")),
    param === undefined ? {} : { param: withGivenNames(param) },
  );
}

/** The hook of a validator: what it found. */
interface Validated {
  success: boolean;
  error?: { issues: readonly z.core.$ZodIssue[] };
}

const refuseFailed = ({ success, error }: Validated): void => {
  if (!success) refuse(error?.issues ?? []);
};

/**
 * The member of a validating handler that holds what it validates: the OpenAPI document is made
 * from it.
 */
const INPUT = Symbol("input");

/** What a route reads, as its validating handler has it. */
export interface RouteInput {
  part: "json" | "query";
  schema: z.ZodType;
}

/** What a handler validates, or null where it is no validator. */
export function inputOf(handler: object): RouteInput | null {
  return INPUT in handler ? (handler[INPUT] as RouteInput) : null;
}

/** The body, checked against a schema. @throws ApiError 400 that names the field and the reason */
export const jsonOf = <Schema extends z.ZodType>(schema: Schema) =>
  Object.assign(
    validator("json", async (value: unknown) => {
      const result = await parseWhole(schema, value);
      return result.success ? result.data : refuse(result.error.issues);
    }),
    { [INPUT]: { part: "json", schema } satisfies RouteInput },
  );

/**
 * The query, checked against a schema.
 * @throws ApiError 400 that names the parameter and the reason
 */
export const queryOf = <Schema extends z.ZodType>(schema: Schema) =>
  Object.assign(zValidator("query", schema, refuseFailed), {
    [INPUT]: { part: "query", schema } satisfies RouteInput,
  });

/** `?limit=&cursor=` of every list. */
export const pageQuery = z.object({
  limit: z.coerce.number("must be a whole number from 1 to 200").int().min(1).max(200).default(50),
  cursor: z.string().optional(),
});

/** ISO 8601 with an offset: without one, a time would mean something else on each machine. */
export const moment = z.iso
  .datetime({
    offset: true,
    error: "must be an ISO 8601 time with an offset, like 2027-01-31T23:59:59Z",
  })
  .transform((text) => new Date(text))
  .refine(isStorableTime, "must be a time of the years 1 to 9999");

/** A text that PostgreSQL can hold: all but NUL. */
export const plainText = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .refine((text) => !text.includes("\0"), "must not contain a NUL character");

/** An http or https URL that `fetch` accepts. */
export const httpUrl = () =>
  plainText(2000)
    .trim()
    .refine((text) => {
      const url = URL.canParse(text) ? new URL(text) : null;
      return (
        url !== null &&
        ["http:", "https:"].includes(url.protocol) &&
        url.username === "" &&
        url.password === ""
      );
    }, "must be a URL that starts with http:// or https://, without a user name or password in it");

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/**
 * What a header's value may be: no control characters, no line breaks, nothing that is not Latin-1.
 */
const HEADER_VALUE = /^[\t\x20-\x7E\x80-\xFF]*$/;

/** HTTP headers by name, as `fetch` accepts them. */
export const httpHeaders = () =>
  z.record(
    z.string().regex(HEADER_NAME, "must be the name of an HTTP header"),
    plainText(10_000).regex(HEADER_VALUE, "must be the value of an HTTP header"),
  );

/** @throws ApiError 404 for `what`, where the id cannot be one */
export function idOf(text: string, what: string): string {
  if (isUuid(text)) return text.toLowerCase();
  throw notFound(what);
}

/** The 404 of admin routes. */
export function notFound(what: string): ApiError {
  return new ApiError("not_found", `There is no such ${what}.`);
}
