import { ListFilter, X } from "lucide-react";
import { useState, type ReactNode } from "react";
import { readAllKeys, readAllTools } from "../http.ts";
import { SearchField, useTyped } from "../parts/search-field.tsx";
import { Link, navigate, withQuery, type Place } from "../router.tsx";
import { useLoaded } from "../use-resource.ts";
import { ALL_NAMES, countSet, KINDS, SINCE } from "./filter.ts";
import { TimeField } from "./time-field.tsx";

interface FilterProps {
  place: Place;
  name: string;
  label: string;
}

interface PickProps extends FilterProps {
  /** What is chosen where nothing is. */
  usual?: string;
  children: ReactNode;
}

const set = (place: Place, name: string, value: string) =>
  navigate(withQuery(place, { [name]: value }), { replace: true });

function Pick({ place, name, label, usual = "Any", children }: PickProps) {
  const value = place.query.get(name) ?? "";
  return (
    <label className={value === "" ? "pill" : "pill set"}>
      <span aria-hidden="true">{label}</span>
      <select
        aria-label={label}
        value={value}
        onChange={(event) => set(place, name, event.target.value)}
      >
        <option value="">{usual}</option>
        {children}
      </select>
    </label>
  );
}

function Typed({ place, name, label, type = "text" }: FilterProps & { type?: "text" | "number" }) {
  const [text, setText] = useTyped(place, name);
  return (
    <label className={text === "" ? "pill" : "pill set"}>
      <span aria-hidden="true">{label}</span>
      <input
        aria-label={label}
        type={type}
        min={0}
        placeholder="Any"
        value={text}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}

const MORE = ["apiKeyId", "model", "tool", "toolStatus", "endpoint", "minDurationMs", "from", "to"];

/** What most requests ask for; any other stands in the address. */
const ENDPOINTS = [
  "/v1/chat/completions",
  "/v1/responses",
  "/mcp",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/images/generations",
  "/v1/audio/speech",
  "/v1/audio/transcriptions",
  "/v1/moderations",
  "/v1/models",
  "/v1/files",
];

function MoreFilters({ place }: { place: Place }) {
  const keys = useLoaded("all keys", readAllKeys);
  const tools = useLoaded("all tools", readAllTools);
  const keyId = place.query.get("apiKeyId");
  const endpoint = place.query.get("endpoint");
  const tool = place.query.get("tool");
  const isTool = tools.data?.some(({ name }) => name === tool) ?? false;
  const hasTool = tool !== null || place.query.get("toolStatus") !== null;
  const isKnown = keys.data?.some(({ id }) => id === keyId) ?? false;
  return (
    <div className="filters" role="group" aria-label="More filters">
      <Pick place={place} name="apiKeyId" label="Key">
        {keyId !== null && !isKnown && <option value={keyId}>{keyId.slice(0, 8)}…</option>}
        {keys.data?.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </Pick>
      <Pick place={place} name="tool" label="Tool">
        {tool !== null && !isTool && <option>{tool}</option>}
        {tools.data?.map(({ id, name }) => (
          <option key={id} value={name}>
            {name}
          </option>
        ))}
      </Pick>
      {hasTool && (
        <Pick place={place} name="toolStatus" label="Tool’s result">
          <option value="failed">Failed</option>
        </Pick>
      )}
      <Pick place={place} name="endpoint" label="Endpoint">
        {endpoint !== null && !ENDPOINTS.includes(endpoint) && <option>{endpoint}</option>}
        {ENDPOINTS.map((endpoint) => (
          <option key={endpoint}>{endpoint}</option>
        ))}
      </Pick>
      <Typed place={place} name="model" label="Model" />
      <Typed place={place} name="minDurationMs" label="Slower than, ms" type="number" />
      <TimeField place={place} name="from" label="From" />
      <TimeField place={place} name="to" label="To" />
    </div>
  );
}

/** What the list is narrowed by. `live` is the switch of the live tail. */
export function FilterBar({ place, live }: { place: Place; live: ReactNode }) {
  const more = countSet(place, MORE);
  const [isOpen, setIsOpen] = useState(more > 0);
  const isFiltered = countSet(place, ALL_NAMES) > 0;
  return (
    <div className="filter-bar">
      <SearchField
        place={place}
        label="Search conversations"
        placeholder="Search titles and content"
      />
      <div className="filters">
        <Pick place={place} name="kind" label="Show" usual={KINDS[0].label}>
          {KINDS.slice(1).map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Pick>
        <Pick place={place} name="status" label="Status">
          <option value="completed">Completed</option>
          <option value="failed">Failed</option>
          <option value="cancelled">Cancelled</option>
          <option value="refused">Refused</option>
        </Pick>
        <Pick place={place} name="since" label="Time">
          {SINCE.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Pick>
        <button
          type="button"
          className="pill"
          aria-expanded={isOpen}
          onClick={() => setIsOpen(!isOpen)}
        >
          <ListFilter aria-hidden="true" />
          {more > 0 ? `Filters · ${more}` : "Filters"}
        </button>
        {isFiltered && (
          <Link href="/conversations" className="pill clear">
            <X aria-hidden="true" />
            Clear
          </Link>
        )}
        {live}
      </div>
      {isOpen && <MoreFilters place={place} />}
    </div>
  );
}
