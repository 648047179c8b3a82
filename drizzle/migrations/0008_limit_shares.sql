CREATE TABLE "limit_shares" (
	"api_key_id" uuid NOT NULL,
	"meter" text NOT NULL,
	"holder" uuid NOT NULL,
	"used" double precision NOT NULL,
	"held" double precision NOT NULL,
	"free" double precision NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "limit_shares_api_key_id_meter_holder_pk" PRIMARY KEY("api_key_id","meter","holder")
);
--> statement-breakpoint
-- Tells what a process uses of a key's limit, and gives it a part of what nobody else has. One process at a time asks for a limit,
-- and each statement of it sees what was committed before it begins: so all parts together are never more than the limit.
-- What requests wait for they take at once, so that it counts as used, or as held. What its holder has not confirmed is nobody's after a while: `free` after 4 s, `held` after 35 s, `used` after 65 s.
CREATE FUNCTION "share_limit"(
	"in_key" uuid, "in_meter" text, "in_holder" uuid, "in_limit" double precision, "in_used" double precision, "in_held" double precision,
	"in_kept" double precision, "in_needed" double precision, "in_more" double precision, "in_since" timestamp with time zone,
	OUT "out_free" double precision, OUT "out_others_used" double precision, OUT "out_recorded" double precision, OUT "out_left" double precision
) LANGUAGE plpgsql AS $$
DECLARE
	"others" double precision;
	"now" timestamp with time zone;
	"given" double precision;
	"more" double precision;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended(in_key::text || in_meter, 0));
	"now" := clock_timestamp();
	SELECT coalesce(sum(s.used), 0),
		coalesce(sum(s.used + CASE WHEN s.at > "now" - interval '35 s' THEN s.held ELSE 0 END
			+ CASE WHEN s.at > "now" - interval '4 s' THEN s.free ELSE 0 END), 0)
		INTO out_others_used, "others"
		FROM limit_shares s
		WHERE s.api_key_id = in_key AND s.meter = in_meter AND s.holder <> in_holder AND s.at > "now" - interval '65 s';
	out_recorded := 0;
	IF in_since IS NOT NULL THEN
		SELECT coalesce(sum(h.cost), 0) INTO out_recorded FROM usage_hours h WHERE h.api_key_id = in_key AND h.hour >= in_since;
	END IF;
	out_left := in_limit - out_recorded - "others" - in_used - in_held - in_kept;
	"given" := greatest(0, least(in_needed, out_left));
	out_left := out_left - "given";
	"more" := greatest(0, least(in_more, out_left / 2));
	IF in_meter = 'requests' THEN "more" := floor("more"); END IF;
	out_left := out_left - "more";
	out_free := in_kept + "given" + "more";
	INSERT INTO limit_shares (api_key_id, meter, holder, used, held, free, at)
		VALUES (in_key, in_meter, in_holder, in_used + CASE WHEN in_meter = 'requests' THEN "given" ELSE 0 END,
			in_held + CASE WHEN in_meter = 'requests' THEN 0 ELSE "given" END, in_kept + "more", "now")
		ON CONFLICT (api_key_id, meter, holder) DO UPDATE
		SET used = excluded.used, held = excluded.held, free = excluded.free, at = excluded.at;
	DELETE FROM limit_shares s WHERE s.api_key_id = in_key AND s.meter = in_meter AND s.at < "now" - interval '10 min';
END $$;
