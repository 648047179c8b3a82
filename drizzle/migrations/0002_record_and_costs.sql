CREATE TABLE "audit_log" (
	"id" uuid PRIMARY KEY NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"target_id" text,
	"target_name" text,
	"changes" text DEFAULT '{}' NOT NULL,
	"client_address" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "conversation_aliases" (
	"id" uuid PRIMARY KEY NOT NULL,
	"conversation_id" uuid NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tool_hours" (
	"hour" timestamp (3) with time zone NOT NULL,
	"tool_name" text NOT NULL,
	"api_key_id" uuid NOT NULL,
	"executions" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL,
	"durations" integer[] DEFAULT '{}' NOT NULL,
	CONSTRAINT "tool_hours_hour_tool_name_api_key_id_pk" PRIMARY KEY("hour","tool_name","api_key_id")
);
--> statement-breakpoint
CREATE TABLE "usage_hours" (
	"hour" timestamp (3) with time zone NOT NULL,
	"api_key_id" uuid NOT NULL,
	"api_key_name" text NOT NULL,
	"model" text NOT NULL,
	"endpoint" text NOT NULL,
	"requests" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL,
	"cancelled" bigint DEFAULT 0 NOT NULL,
	"prompt_tokens" bigint DEFAULT 0 NOT NULL,
	"completion_tokens" bigint DEFAULT 0 NOT NULL,
	"cached_tokens" bigint DEFAULT 0 NOT NULL,
	"reasoning_tokens" bigint DEFAULT 0 NOT NULL,
	"cost" double precision DEFAULT 0 NOT NULL,
	"unpriced" bigint DEFAULT 0 NOT NULL,
	"durations" integer[] DEFAULT '{}' NOT NULL,
	"times_to_first_token" integer[] DEFAULT '{}' NOT NULL,
	CONSTRAINT "usage_hours_hour_api_key_id_model_endpoint_pk" PRIMARY KEY("hour","api_key_id","model","endpoint")
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "key_suffix" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "previous_key_hash" text;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "previous_expires_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "log_content" text DEFAULT 'full' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "requests_per_minute" integer;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "tokens_per_minute" integer;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "monthly_budget" double precision;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "last_used_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "turn_count" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "tools_used" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "cached_tokens" integer;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "reasoning_tokens" integer;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "cost" double precision;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "cost_incomplete" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "branch_of_turn_id" uuid;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "branch_of_conversation_id" uuid;--> statement-breakpoint
ALTER TABLE "rounds" ADD COLUMN "cached_tokens" integer;--> statement-breakpoint
ALTER TABLE "rounds" ADD COLUMN "reasoning_tokens" integer;--> statement-breakpoint
ALTER TABLE "rounds" ADD COLUMN "cost" double precision;--> statement-breakpoint
ALTER TABLE "rounds" ADD COLUMN "cost_incomplete" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "parent_turn_id" uuid;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "place" text;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "api_key_id" uuid;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "endpoint" text DEFAULT '/v1/chat/completions' NOT NULL;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "cached_tokens" integer;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "reasoning_tokens" integer;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "cost" double precision;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "cost_incomplete" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "conversation_aliases" ADD CONSTRAINT "conversation_aliases_conversation_id_conversations_id_fk" FOREIGN KEY ("conversation_id") REFERENCES "public"."conversations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_log_newest" ON "audit_log" USING btree ("created_at" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "conversation_aliases_by_conversation" ON "conversation_aliases" USING btree ("conversation_id");--> statement-breakpoint
CREATE INDEX "usage_hours_by_key" ON "usage_hours" USING btree ("api_key_id","hour");--> statement-breakpoint
CREATE INDEX "conversations_by_model" ON "conversations" USING btree ("model","created_at" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "conversations_by_status" ON "conversations" USING btree ("status","created_at" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "conversations_by_tool" ON "conversations" USING gin ("tools_used");--> statement-breakpoint
CREATE INDEX "conversations_by_duration" ON "conversations" USING btree ("duration_ms");--> statement-breakpoint
CREATE INDEX "conversations_by_update" ON "conversations" USING btree ("updated_at");--> statement-breakpoint
CREATE INDEX "conversations_by_branch" ON "conversations" USING btree ("branch_of_conversation_id");--> statement-breakpoint
CREATE INDEX "turns_by_place" ON "turns" USING btree ("api_key_id","place");--> statement-breakpoint
CREATE INDEX "turns_by_parent" ON "turns" USING btree ("parent_turn_id");--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_previous_key_hash_unique" UNIQUE("previous_key_hash");--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "awaited_place" text;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "awaited_messages" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "turns_awaiting" ON "turns" USING btree ("api_key_id","awaited_place") WHERE awaited_place is not null;--> statement-breakpoint
UPDATE "turns" SET "api_key_id" = "conversations"."api_key_id", "endpoint" = "conversations"."endpoint" FROM "conversations" WHERE "conversations"."id" = "turns"."conversation_id";--> statement-breakpoint
-- Bodies become partitioned tables. Partitions are made by whoever writes into a new month (src/store/body-partitions.ts);
-- a row for which there is none goes into the default partition, so that nothing is ever refused.
ALTER TABLE "message_bodies" RENAME TO "message_bodies_before";--> statement-breakpoint
ALTER TABLE "message_bodies_before" RENAME CONSTRAINT "message_bodies_pkey" TO "message_bodies_before_pkey";--> statement-breakpoint
ALTER TABLE "tool_execution_bodies" RENAME TO "tool_execution_bodies_before";--> statement-breakpoint
ALTER TABLE "tool_execution_bodies_before" RENAME CONSTRAINT "tool_execution_bodies_pkey" TO "tool_execution_bodies_before_pkey";--> statement-breakpoint
CREATE TABLE "message_bodies" (
	"message_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"conversation_id" uuid NOT NULL,
	"content" text NOT NULL,
	"tool_calls" text NOT NULL,
	"extra" text,
	CONSTRAINT "message_bodies_message_id_created_at_pk" PRIMARY KEY("message_id","created_at"),
	CONSTRAINT "message_bodies_message_id_messages_id_fk" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE cascade
) PARTITION BY RANGE ("created_at");--> statement-breakpoint
CREATE TABLE "message_bodies_default" PARTITION OF "message_bodies" DEFAULT;--> statement-breakpoint
CREATE TABLE "tool_execution_bodies" (
	"tool_execution_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"arguments" text NOT NULL,
	"result" text,
	"error" text,
	"logs" text DEFAULT '[]' NOT NULL,
	CONSTRAINT "tool_execution_bodies_tool_execution_id_created_at_pk" PRIMARY KEY("tool_execution_id","created_at"),
	CONSTRAINT "tool_execution_bodies_tool_execution_id_tool_executions_id_fk" FOREIGN KEY ("tool_execution_id") REFERENCES "tool_executions"("id") ON DELETE cascade
) PARTITION BY RANGE ("created_at");--> statement-breakpoint
CREATE TABLE "tool_execution_bodies_default" PARTITION OF "tool_execution_bodies" DEFAULT;--> statement-breakpoint
INSERT INTO "message_bodies" ("message_id", "created_at", "conversation_id", "content", "tool_calls") SELECT "messages"."id", "messages"."created_at", "messages"."conversation_id", "before"."content", "before"."tool_calls" FROM "message_bodies_before" "before" JOIN "messages" ON "messages"."id" = "before"."message_id";--> statement-breakpoint
INSERT INTO "tool_execution_bodies" ("tool_execution_id", "created_at", "arguments", "result", "error", "logs") SELECT "tool_executions"."id", "tool_executions"."started_at", "before"."arguments", "before"."result", "before"."error", "before"."logs" FROM "tool_execution_bodies_before" "before" JOIN "tool_executions" ON "tool_executions"."id" = "before"."tool_execution_id";--> statement-breakpoint
DROP TABLE "message_bodies_before";--> statement-breakpoint
DROP TABLE "tool_execution_bodies_before";--> statement-breakpoint
-- What is searched of a message: the start of its text, without JSON's escapes, which would stick to words.
-- Not in SQL, which would be inlined: the planner must know that it is dear.
CREATE FUNCTION "message_search"("content" text, "tool_calls" text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$ BEGIN RETURN to_tsvector('simple'::regconfig, regexp_replace(left(content, 50000) || ' ' || left(tool_calls, 20000), '\\[bfnrt"\\/]', ' ', 'g')); END $$;--> statement-breakpoint
CREATE INDEX "message_bodies_search" ON "message_bodies" USING gin (message_search("content", "tool_calls"));--> statement-breakpoint
-- Titles are searched for any part of a word, which needs trigrams; a database without them has to look at each title.
DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX "conversations_title_trigrams" ON "conversations" USING gin ("title" gin_trgm_ops); EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'no trigram index: %', SQLERRM; END $$;
