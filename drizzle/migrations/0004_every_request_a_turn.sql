DROP INDEX "conversations_by_status";--> statement-breakpoint
DROP INDEX "conversations_newest";--> statement-breakpoint
DROP INDEX "conversations_by_key";--> statement-breakpoint
DROP INDEX "conversations_by_model";--> statement-breakpoint
DROP INDEX "conversations_by_tool";--> statement-breakpoint
DROP INDEX "conversations_by_branch";--> statement-breakpoint
DROP INDEX "turns_by_parent";--> statement-breakpoint
-- One statement a table: each change of a type writes all of a table anew.
ALTER TABLE "conversations"
	ALTER COLUMN "prompt_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "completion_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "total_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "cached_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "reasoning_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "duration_ms" SET DATA TYPE bigint,
	ADD COLUMN "kind" text DEFAULT 'conversation' NOT NULL,
	ADD COLUMN "statuses" text[] DEFAULT '{}' NOT NULL,
	ADD COLUMN "error" text,
	ADD COLUMN "error_code" text,
	ADD COLUMN "tools_failed" text[] DEFAULT '{}' NOT NULL,
	ADD COLUMN "request_id" uuid,
	ADD COLUMN "streamed" boolean,
	ADD COLUMN "http_status" integer,
	ADD COLUMN "finish_reason" text,
	ADD COLUMN "time_to_first_token_ms" integer,
	ADD COLUMN "request_digest" text,
	ADD COLUMN "response_digest" text,
	ADD COLUMN "content" text;--> statement-breakpoint
ALTER TABLE "turns"
	ALTER COLUMN "prompt_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "completion_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "total_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "cached_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "reasoning_tokens" SET DATA TYPE bigint,
	ADD COLUMN "error_code" text,
	ADD COLUMN "request_digest" text,
	ADD COLUMN "response_digest" text;--> statement-breakpoint
ALTER TABLE "rounds"
	ALTER COLUMN "prompt_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "completion_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "total_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "cached_tokens" SET DATA TYPE bigint,
	ALTER COLUMN "reasoning_tokens" SET DATA TYPE bigint,
	ADD COLUMN "notes" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys"
	ADD COLUMN "unpriced" text DEFAULT 'allow' NOT NULL;--> statement-breakpoint
ALTER TABLE "usage_hours"
	ADD COLUMN "refused" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
-- What statuses, failures and failed tools conversations have had is in their turns.
UPDATE "conversations" SET "statuses" = "found"."statuses", "error" = "found"."error"
FROM (
	SELECT "conversation_id", array_agg(DISTINCT "status") "statuses",
		(array_agg("error" ORDER BY "started_at" DESC, "id" DESC) FILTER (WHERE "status" = 'failed'))[1] "error"
	FROM "turns" GROUP BY "conversation_id") "found"
WHERE "found"."conversation_id" = "conversations"."id";--> statement-breakpoint
UPDATE "conversations" SET "tools_failed" = "found"."tools"
FROM (
	SELECT "conversation_id", array_agg(DISTINCT "tool_name") "tools"
	FROM "tool_executions" WHERE "failed" GROUP BY "conversation_id") "found"
WHERE "found"."conversation_id" = "conversations"."id";--> statement-breakpoint
CREATE INDEX "conversations_of_kind" ON "conversations" USING btree ("created_at" NULLS FIRST,"id" NULLS FIRST) WHERE kind = 'conversation';--> statement-breakpoint
CREATE INDEX "conversations_of_key" ON "conversations" USING btree ("api_key_id","created_at" NULLS FIRST,"id" NULLS FIRST) WHERE kind = 'conversation';--> statement-breakpoint
CREATE INDEX "conversations_failed" ON "conversations" USING btree ("created_at" NULLS FIRST,"id" NULLS FIRST) WHERE statuses @> '{failed}';--> statement-breakpoint
CREATE INDEX "conversations_cancelled" ON "conversations" USING btree ("created_at" NULLS FIRST,"id" NULLS FIRST) WHERE statuses @> '{cancelled}';--> statement-breakpoint
CREATE INDEX "conversations_refused" ON "conversations" USING btree ("created_at" NULLS FIRST,"id" NULLS FIRST) WHERE statuses @> '{refused}';--> statement-breakpoint
CREATE INDEX "conversations_tool_failed" ON "conversations" USING btree ("created_at" NULLS FIRST,"id" NULLS FIRST) WHERE tools_failed <> '{}';--> statement-breakpoint
CREATE INDEX "conversations_newest" ON "conversations" USING btree ("created_at" NULLS FIRST,"id" NULLS FIRST);--> statement-breakpoint
CREATE INDEX "conversations_by_key" ON "conversations" USING btree ("api_key_id","created_at" NULLS FIRST,"id" NULLS FIRST);--> statement-breakpoint
CREATE INDEX "conversations_by_model" ON "conversations" USING btree ("model","created_at" NULLS FIRST,"id" NULLS FIRST);--> statement-breakpoint
CREATE INDEX "conversations_by_tool" ON "conversations" USING gin ("tools_used") WHERE tools_used <> '{}';--> statement-breakpoint
CREATE INDEX "conversations_by_branch" ON "conversations" USING btree ("branch_of_conversation_id") WHERE branch_of_conversation_id is not null;--> statement-breakpoint
CREATE INDEX "turns_by_parent" ON "turns" USING btree ("parent_turn_id") WHERE parent_turn_id is not null;--> statement-breakpoint
-- What is searched of the content of single requests: as message_search, without the members that each of them has.
-- It calls no function of ours: ANALYZE and REINDEX know none (they run with an empty search path).
CREATE FUNCTION "request_search"("content" text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$ BEGIN RETURN to_tsvector('simple'::regconfig, regexp_replace(left(content, 70000), '"role":"[a-z]*",|"content":|"round":\d+,?|\\[bfnrt"\\/]', ' ', 'g')); END $$;--> statement-breakpoint
CREATE INDEX "conversations_content_search" ON "conversations" USING gin (request_search("content")) WHERE content is not null;