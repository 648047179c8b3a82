import { RotateCw, Server } from "lucide-react";
import type { McpServer } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { Badge, Empty, Loading, Notice, type Tone } from "../parts/notice.tsx";
import { Moment } from "../parts/table.tsx";
import { Link } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useRefresh, useResource } from "../use-resource.ts";

const EVERY_MS = 5000;

const TONES: Record<string, Tone> = { running: "good", ready: "good", starting: "warn", failed: "bad", crashed: "bad", backoff: "warn" };

function ServerCard({ server }: { server: McpServer }) {
  const { command, state, pid, startedAt, lastError, stderr, tools } = server;
  const action = useAction();
  const refresh = useRefresh();
  const restart = async () => {
    await actions.restartServer(command);
    await refresh();
  };
  return (
    <article className="card server" aria-label={command}>
      <header>
        <Badge tone={TONES[state] ?? "quiet"}>{state}</Badge>
        <code>{command}</code>
        {tools.length > 0 && (
          <button type="button" disabled={action.isRunning} onClick={() => action.run(restart)}>
            <RotateCw aria-hidden="true" />
            {action.isRunning ? "Restarting…" : "Restart"}
          </button>
        )}
      </header>
      {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
      {typeof lastError === "string" && lastError !== "" && <Notice tone="bad">{lastError}</Notice>}
      <p className="hint">
        {typeof pid === "number" && `Process ${pid} · `}
        {typeof startedAt === "string" && (
          <>
            started <Moment iso={startedAt} />
            {" · "}
          </>
        )}
        {tools.length === 0 ? "no tools" : tools.join(", ")}
      </p>
      {stderr.length > 0 && (
        <details>
          <summary>Last lines of its output</summary>
          <pre tabIndex={0}>{stderr.join("\n")}</pre>
        </details>
      )}
    </article>
  );
}

/** The MCP servers that the proxy starts: how they do, what they last said. */
export function Servers() {
  const servers = useResource(resources.servers(), { every: EVERY_MS });
  return (
    <Loading from={servers}>
      {({ data }) =>
        data.length === 0 ? (
          <Empty title="No server is known" icon={<Server aria-hidden="true" />}>
            <p>
              MCP servers that are started with <code>npx</code> or <code>uvx</code> appear here when a tool of theirs was called, tried or
              looked for.
            </p>
            <Link href="/tools?import=1" className="button primary">
              Import tools of a server
            </Link>
          </Empty>
        ) : (
          <div className="server-list">
            {data.map((server) => (
              <ServerCard key={server.id ?? server.command} server={server} />
            ))}
          </div>
        )
      }
    </Loading>
  );
}
