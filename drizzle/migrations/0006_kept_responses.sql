CREATE TABLE "kept_response_items" (
	"api_key_id" uuid NOT NULL,
	"item_id" text NOT NULL,
	"response_id" text NOT NULL,
	CONSTRAINT "kept_response_items_api_key_id_item_id_pk" PRIMARY KEY("api_key_id","item_id")
);
--> statement-breakpoint
CREATE TABLE "kept_responses" (
	"api_key_id" uuid NOT NULL,
	"id" text NOT NULL,
	"previous_id" text,
	"is_stored" boolean NOT NULL,
	"has_hidden" boolean NOT NULL,
	"upstream_ids" text NOT NULL,
	"input" text NOT NULL,
	"sent" text,
	"items" text NOT NULL,
	"body" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "kept_responses_api_key_id_id_pk" PRIMARY KEY("api_key_id","id")
);
--> statement-breakpoint
ALTER TABLE "kept_response_items" ADD CONSTRAINT "kept_response_items_of_response" FOREIGN KEY ("api_key_id","response_id") REFERENCES "public"."kept_responses"("api_key_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "kept_responses" ADD CONSTRAINT "kept_responses_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "kept_response_items_by_response" ON "kept_response_items" USING btree ("api_key_id","response_id");--> statement-breakpoint
CREATE INDEX "kept_responses_by_expiry" ON "kept_responses" USING btree ("expires_at");