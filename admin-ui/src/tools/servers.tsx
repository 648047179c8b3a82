import { RotateCw, Server } from "lucide-react";
import type { McpServer } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { Empty, Loading, Notice } from "../parts/notice.tsx";
import { Link } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useRefresh, useResource } from "../use-resource.ts";
import { isUntouched, ServerProcess } from "./server-process.tsx";

const EVERY_MS = 5000;

/** All processes of one command. */
function CommandCard({ command, processes }: { command: string; processes: McpServer[] }) {
  const action = useAction();
  const refresh = useRefresh();
  const restart = (which: { id: string } | { command: string }) =>
    action.run(async () => {
      try {
        await actions.restartServers(which);
      } finally {
        // Of several, some may have been restarted before one could not be.
        await refresh();
      }
    });
  const tools = [...new Set(processes.flatMap((process) => process.tools))].toSorted();
  const isOne = processes.length === 1;
  const isNew = processes.every(isUntouched);
  return (
    <article className="card server" aria-label={command}>
      <header>
        <h2>
          <code>{command}</code>
        </h2>
        {tools.length > 0 && (
          <button type="button" disabled={action.isRunning} onClick={() => restart({ command })}>
            <RotateCw aria-hidden="true" />
            {action.isRunning ? "Starting…" : isNew ? "Start" : isOne ? "Restart" : "Restart all"}
          </button>
        )}
      </header>
      {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
      <p className="hint">
        {tools.length === 0
          ? "No tool here comes from it: it was asked for its tools, to choose from."
          : tools.join(", ")}
      </p>
      {processes.map((process) => (
        <ServerProcess
          key={process.id}
          process={process}
          {...(isOne
            ? {}
            : { restart: () => restart({ id: process.id }), isBusy: action.isRunning })}
        />
      ))}
    </article>
  );
}

function NoServers() {
  return (
    <Empty title="No server runs" icon={<Server aria-hidden="true" />}>
      <p>
        A server that is started with <code>npx</code> or <code>uvx</code> appears here as soon as a
        tool of it is stored, or its tools were looked for. It starts with the first call of a tool
        and stops when it has been idle for a while. Servers at a URL run elsewhere, and are not
        listed.
      </p>
      <Link href="/tools?import=1" className="button primary">
        Import tools of a server
      </Link>
    </Empty>
  );
}

const summaryOf = (processes: McpServer[]) => {
  const running = processes.filter(({ state }) => state === "running").length;
  const failed = processes.filter(({ state }) => state === "failed").length;
  return `${running === 1 ? "1 process runs" : `${running} processes run`}${failed === 0 ? "" : `, ${failed} failed`}`;
};

/** The MCP servers that the proxy starts: how they do, for whom, what they last said. */
export function Servers() {
  const servers = useResource(resources.servers(), { every: EVERY_MS });
  return (
    <Loading from={servers}>
      {({ data }) =>
        data.length === 0 ? (
          <NoServers />
        ) : (
          <div className="server-list">
            <p className="hint">{summaryOf(data)}</p>
            {[...Map.groupBy(data, ({ command }) => command)].map(([command, processes]) => (
              <CommandCard key={command} command={command} processes={processes} />
            ))}
          </div>
        )
      }
    </Loading>
  );
}
