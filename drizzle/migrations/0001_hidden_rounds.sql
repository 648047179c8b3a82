CREATE TABLE "hidden_rounds" (
	"api_key_id" uuid NOT NULL,
	"lookup" text NOT NULL,
	"messages" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "hidden_rounds_api_key_id_lookup_pk" PRIMARY KEY("api_key_id","lookup")
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "tool_memory" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "tool_max_rounds" integer;--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "tokens_estimated" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "rounds" ADD COLUMN "tokens_estimated" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "tokens_estimated" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "hidden_rounds" ADD CONSTRAINT "hidden_rounds_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "hidden_rounds_by_expiry" ON "hidden_rounds" USING btree ("expires_at");