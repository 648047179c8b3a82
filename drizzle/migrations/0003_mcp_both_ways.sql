CREATE TABLE "cached_answers" (
	"api_key_id" uuid NOT NULL,
	"request_hash" text NOT NULL,
	"answer" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "cached_answers_api_key_id_request_hash_pk" PRIMARY KEY("api_key_id","request_hash")
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "answer_cache_seconds" integer;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "mcp_headers" text;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "mcp_isolation" text DEFAULT 'key' NOT NULL;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "max_concurrency" integer;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "mcp_approved" text;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "mcp_changed" text;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "on_mcp_change" text DEFAULT 'keep' NOT NULL;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "mcp_changed_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tools" ADD COLUMN "mcp_checked_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "cached" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "cached_answers" ADD CONSTRAINT "cached_answers_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "cached_answers_by_expiry" ON "cached_answers" USING btree ("expires_at");