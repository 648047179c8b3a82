CREATE TABLE "background_responses" (
	"api_key_id" uuid NOT NULL,
	"id" text NOT NULL,
	"status" text NOT NULL,
	"turn_id" uuid NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"previous_id" text,
	"request" text NOT NULL,
	"sent" text NOT NULL,
	"body" text NOT NULL,
	"numbers" text,
	"upstream_ids" text DEFAULT '[]' NOT NULL,
	"owner" uuid,
	"lease_until" timestamp (3) with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"is_cancelled" boolean DEFAULT false NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "background_responses_api_key_id_id_pk" PRIMARY KEY("api_key_id","id")
);
--> statement-breakpoint
CREATE TABLE "background_rounds" (
	"api_key_id" uuid NOT NULL,
	"response_id" text NOT NULL,
	"round" integer NOT NULL,
	"state" text NOT NULL,
	CONSTRAINT "background_rounds_api_key_id_response_id_round_pk" PRIMARY KEY("api_key_id","response_id","round")
);
--> statement-breakpoint
ALTER TABLE "background_responses" ADD CONSTRAINT "background_responses_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "background_rounds" ADD CONSTRAINT "background_rounds_of_response" FOREIGN KEY ("api_key_id","response_id") REFERENCES "public"."background_responses"("api_key_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "background_responses_by_expiry" ON "background_responses" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "background_responses_unfinished" ON "background_responses" USING btree ("lease_until") WHERE status in ('queued', 'in_progress');