import { useState } from "react";
import type { ApiKey } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { readAllKeys, readAllTools } from "../http.ts";
import { TextArea, TextField } from "../parts/field.tsx";
import { Segments } from "../parts/segments.tsx";
import { Link } from "../router.tsx";
import { useLoaded } from "../use-resource.ts";
import { DIALECT_CHOICES } from "./dialects.ts";
import type { Asking } from "./use-chat.ts";

/** Which of the stored keys a pasted one is: they are stored without it, but for its ends. */
function keyLike(keys: ApiKey[], pasted: string): ApiKey | null {
  const isLike = ({ keyPrefix, keySuffix }: ApiKey) =>
    pasted.startsWith(keyPrefix) && pasted.endsWith(keySuffix ?? "");
  return pasted === "" ? null : (keys.find(isLike) ?? null);
}

/** What the pasted key is, and which tools the model has with it. */
function KnownKey({ pasted }: { pasted: string }) {
  const keys = useLoaded("all keys", readAllKeys);
  const tools = useLoaded("all tools", readAllTools);
  const known = keyLike(keys.data ?? [], pasted);
  if (pasted === "")
    return (
      <p className="hint">
        Keys are not stored in full: paste one, or <Link href="/keys?key=new">create one</Link> and
        come here from there.
      </p>
    );
  if (known === null)
    return (
      <p className="hint">
        {keys.data === null ? "…" : "No key here begins and ends like this one."}
      </p>
    );
  const names = (tools.data ?? [])
    .filter(({ id, isActive }) => isActive && known.toolIds.includes(id))
    .map(({ name }) => name);
  return (
    <div className="known-key">
      <p>
        <Link href={`/keys?key=${known.id}&tab=tools`}>{known.name}</Link>{" "}
        <span className="hint">
          {names.length === 0 ? "has no tools" : `has ${countOf(names.length, "tool")}`}
        </span>
      </p>
      <p>
        {names.map((name) => (
          <code key={name} className="chip">
            {name}
          </code>
        ))}
      </p>
    </div>
  );
}

/** As whom, and which model. */
export function AskingForm({
  asking,
  change,
}: {
  asking: Asking;
  change: (changes: Partial<Asking>) => void;
}) {
  const [isTold, setIsTold] = useState(asking.system !== "");
  return (
    <section className="panel asking" aria-label="Request">
      <TextField
        label="Key"
        type="password"
        className="code"
        autoComplete="off"
        placeholder="sk-proxy-…"
        value={asking.key}
        onChange={(event) => change({ key: event.target.value.trim() })}
      />
      <KnownKey pasted={asking.key} />
      <Segments
        label="API"
        choices={DIALECT_CHOICES}
        value={asking.dialect}
        onChange={(dialect) => change({ dialect })}
      />
      <TextField
        label="Model"
        className="code"
        required
        value={asking.model}
        onChange={(event) => change({ model: event.target.value })}
      />
      {isTold ? (
        <TextArea
          label="System message"
          rows={4}
          value={asking.system}
          onChange={(event) => change({ system: event.target.value })}
        />
      ) : (
        <button type="button" className="link" onClick={() => setIsTold(true)}>
          Add a system message
        </button>
      )}
    </section>
  );
}
