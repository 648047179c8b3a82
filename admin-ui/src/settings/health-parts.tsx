import type { HealthStatus, PartHealth } from "../api-shapes.ts";
import { asWords } from "../format.ts";
import { resources } from "../http.ts";
import { Badge, Loading, type Tone } from "../parts/notice.tsx";
import { useResource } from "../use-resource.ts";

const TONES: Record<HealthStatus, Tone> = {
  ok: "good",
  degraded: "warn",
  down: "bad",
  unconfigured: "quiet",
};
const EVERY_MS = 10_000;

/** `{"known":1,"failed":0}` → `1 known, 0 failed`. */
export function valueText(value: unknown): string {
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? value : JSON.stringify(value);
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  return Object.entries(value)
    .map(
      ([name, inner]) =>
        `${typeof inner === "string" ? inner : JSON.stringify(inner)} ${asWords(name)}`,
    )
    .join(", ");
}

/** Units stand in the names of what is measured. */
function detailText(name: string, value: unknown): { name: string; value: string } {
  const text = valueText(value);
  return name.endsWith("Ms")
    ? { name: asWords(name.slice(0, -2)), value: `${text} ms` }
    : { name: asWords(name), value: text };
}

function Part({ name, part }: { name: string; part: PartHealth }) {
  const { status, message, ...details } = part;
  return (
    <article className="card" aria-label={asWords(name)}>
      <header>
        <h3>{asWords(name)}</h3>
        <Badge tone={TONES[status]}>{status}</Badge>
      </header>
      {message !== undefined && <p>{message}</p>}
      <dl>
        {Object.entries(details).map(([key, value]) => {
          const detail = detailText(key, value);
          return (
            <div key={key}>
              <dt>{detail.name}</dt>
              <dd>{detail.value}</dd>
            </div>
          );
        })}
      </dl>
    </article>
  );
}

/** How each part of the proxy does. */
export function HealthParts() {
  const health = useResource(resources.health(), { every: EVERY_MS });
  return (
    <section>
      <h2>Parts</h2>
      <Loading from={health}>
        {({ parts = {} }) => (
          <div className="cards">
            {Object.entries(parts).map(([name, part]) => (
              <Part key={name} name={name} part={part} />
            ))}
          </div>
        )}
      </Loading>
    </section>
  );
}
