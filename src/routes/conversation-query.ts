/** The query of the list, the export and the live tail: one filter, checked in one place. */
import { z } from "zod";
import { STATUSES } from "../store/conversation-filter.ts";
import { isUuid } from "../store/uuid.ts";
import { moment, pageQuery } from "./admin-input.ts";

/** A text of a query; NUL, which PostgreSQL's text cannot hold, is for the store to leave out. */
const text = (maxLength: number) => z.string().max(maxLength);

/** A `+` that became a space is one. */
const time = z.preprocess(
  (value) => (typeof value === "string" ? value.replace(/ (?=\d\d:\d\d$)/, "+") : value),
  moment,
);

const rowFilter = {
  apiKeyId: z.string().refine(isUuid, "must be the id of an API key").optional(),
  model: text(1000).optional(),
  status: z.enum(STATUSES, `must be one of ${STATUSES.join(", ")}`).optional(),
  tool: text(1000).optional(),
  toolStatus: z.literal("failed", "must be failed, where it is given").optional(),
  endpoint: text(2000).optional(),
  kind: z.enum(["conversation", "request"], "must be conversation or request").optional(),
  minDurationMs: z.coerce
    .number("must be a whole number of milliseconds, 0 or more")
    .int("must be a whole number of milliseconds, 0 or more")
    .min(0, "must be a whole number of milliseconds, 0 or more")
    .max(2_147_483_647, "must be at most 2147483647")
    .optional(),
};

const fullFilter = {
  ...rowFilter,
  from: time.optional(),
  to: time.optional(),
  q: text(10_000).optional(),
};

/** `GET /conversations`. */
export const listQuery = z.object({ ...pageQuery.shape, ...fullFilter });

/** `GET /conversations/export`: all pages at once. */
export const exportQuery = z.object(fullFilter);

/** `GET /conversations/live`: what can be told of a row alone. */
export const liveQuery = z.object({ ...rowFilter, since: time.optional() });
