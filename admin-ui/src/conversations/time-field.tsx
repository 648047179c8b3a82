import { asLocalTime } from "../format.ts";
import { navigate, withQuery, type Place } from "../router.tsx";

/** A moment of the filter, in the reader's time. In the address it is ISO 8601. */
export function TimeField({ place, name, label }: { place: Place; name: string; label: string }) {
  const given = place.query.get(name);
  return (
    <label className={given === null ? "pill" : "pill set"}>
      <span aria-hidden="true">{label}</span>
      <input
        aria-label={label}
        type="datetime-local"
        className="moment"
        value={asLocalTime(given)}
        onChange={({ target: { value } }) => {
          const moment = value === "" ? null : new Date(value).toISOString();
          navigate(withQuery(place, { [name]: moment }), { replace: true });
        }}
      />
    </label>
  );
}
