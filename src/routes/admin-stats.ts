import { Hono } from "hono";
import { z } from "zod";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { readStats } from "../store/stats.ts";
import { STATS_BUCKETS, STATS_GROUPS, type StatsRequest } from "../store/stats-figures.ts";
import { isStorableTime } from "../store/storable-time.ts";
import { isUuid } from "../store/uuid.ts";
import { describeRoute } from "./describe-route.ts";
import { queryOf } from "./admin-input.ts";

const time = z
  .union(
    [z.iso.datetime({ offset: true }), z.iso.date()],
    "must be a time such as 2026-11-21T10:00:00Z, or a date such as 2026-11-21",
  )
  .optional();

const statsQuery = z.strictObject({
  from: time,
  to: time,
  bucket: z.enum(STATS_BUCKETS, `must be one of ${STATS_BUCKETS.join(", ")}`).default("hour"),
  groupBy: z.enum(STATS_GROUPS, `must be one of ${STATS_GROUPS.join(", ")}`).default("none"),
  apiKeyId: z.string().refine(isUuid, "must be the id of an API key").optional(),
});

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
/** Longest range in days, for each bucket: what is answered stays below some 15,000 rows. */
const MAX_DAYS = { hour: 31, day: 400, month: 400 };

const faulty = (param: string, message: string) =>
  new ApiError("invalid_value", message, { param });

/** The hours from the one in which `from` is to the one in which `to` is. */
function rangeOf({ from, to, ...wanted }: z.infer<typeof statsQuery>): StatsRequest {
  const { bucket } = wanted;
  const end = Math.ceil((to === undefined ? Date.now() : Date.parse(to)) / HOUR_MS);
  const start = from === undefined ? end - DAY_HOURS : Math.floor(Date.parse(from) / HOUR_MS);
  if (start >= end)
    throw faulty(
      "from",
      "from: must be before to, which is the present time where it is not given.",
    );
  // The hours that are gone into are counted beyond the limit.
  if (end - start > MAX_DAYS[bucket] * DAY_HOURS + 1) {
    const advice =
      bucket === "hour" ? ` Ask for bucket=day: that is for up to ${MAX_DAYS.day} days.` : "";
    throw faulty(
      "from",
      `from: must be at most ${MAX_DAYS[bucket]} days before to, with bucket=${bucket}.${advice}`,
    );
  }
  const range = { from: new Date(start * HOUR_MS), to: new Date(end * HOUR_MS) };
  if (!isStorableTime(range.from) || !isStorableTime(range.to))
    throw faulty("to", "from and to: must be times of the years 1 to 9999.");
  return { ...range, ...wanted };
}

/** `/api/admin/stats`: requests, tokens, cost, failures and latency over time. */
export function adminStats(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();
  app.get(
    "/",
    describeRoute({
      tag: "Operation",
      summary: "Requests, tokens, cost and latency by time and group",
      answer: "Statistics",
    }),
    queryOf(statsQuery),
    async (context) =>
      context.json(
        await readStats(context.env.platform.database, rangeOf(context.req.valid("query"))),
      ),
  );
  return app;
}
