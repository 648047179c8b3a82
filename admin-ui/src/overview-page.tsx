import type { Health, HealthStatus } from "./api-shapes.ts";
import { ConversationTable } from "./conversations/conversation-table.tsx";
import { asWords } from "./format.ts";
import { resources } from "./http.ts";
import { CopyBlock } from "./parts/copy.tsx";
import { Badge, Loading, type Tone } from "./parts/notice.tsx";
import { Page } from "./parts/page.tsx";
import { Link } from "./router.tsx";
import { useResource } from "./use-resource.ts";

const TONES: Record<HealthStatus, Tone> = { ok: "good", degraded: "warn", down: "bad", unconfigured: "quiet" };

/** `{"known":1,"failed":0}` → `1 known, 0 failed`. */
function valueText(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value === "string" ? value : JSON.stringify(value);
  return Object.entries(value)
    .map(([name, inner]) => `${typeof inner === "string" ? inner : JSON.stringify(inner)} ${asWords(name)}`)
    .join(", ");
}

/** Units stand in the names of what is measured. */
function detailText(name: string, value: unknown): { name: string; value: string } {
  const text = valueText(value);
  return name.endsWith("Ms") ? { name: asWords(name.slice(0, -2)), value: `${text} ms` } : { name: asWords(name), value: text };
}

function Part({ name, part }: { name: string; part: Health["parts"][string] }) {
  const { status, message, ...details } = part;
  return (
    <article className="card">
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

function FirstSteps() {
  return (
    <section className="card steps">
      <h2>First steps</h2>
      <ol>
        <li>
          <Link href="/tools?tool=new">Create a tool</Link> that models may use: JavaScript of yours, or a tool of an MCP server.
        </li>
        <li>
          <Link href="/keys">Create an API key</Link> and give it the tool.
        </li>
        <li>Let an application use this address and the key, with the OpenAI SDK that it has:</li>
      </ol>
      <CopyBlock label="base URL" text={`${location.origin}/v1`} />
    </section>
  );
}

/** How the proxy does, and what came through it last. */
export function OverviewPage() {
  const health = useResource(resources.health());
  const latest = useResource(resources.conversations({ cursor: null, apiKeyId: null, limit: 5 }));
  const reload = () => {
    health.reload();
    latest.reload();
  };
  return (
    <Page
      title="Overview"
      actions={
        <button type="button" onClick={reload} disabled={health.isLoading || latest.isLoading}>
          Refresh
        </button>
      }
    >
      <section>
        <h2>Parts</h2>
        <Loading from={health}>
          {({ parts }) => (
            <div className="cards">
              {Object.entries(parts).map(([name, part]) => (
                <Part key={name} name={name} part={part} />
              ))}
            </div>
          )}
        </Loading>
      </section>
      <Loading from={latest}>
        {({ data, nextCursor }) =>
          data.length === 0 ? (
            <FirstSteps />
          ) : (
            <section>
              <h2>Latest conversations</h2>
              <ConversationTable conversations={data} />
              {nextCursor !== null && <Link href="/conversations">All conversations →</Link>}
            </section>
          )
        }
      </Loading>
    </Page>
  );
}
