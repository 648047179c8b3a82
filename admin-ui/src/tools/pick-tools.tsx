import { useState } from "react";
import type { FoundTool } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { actions, readAllTools } from "../http.ts";
import { TextField, Toggle } from "../parts/field.tsx";
import { Badge, Empty, Notice } from "../parts/notice.tsx";
import { Link, navigate } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useLoaded, useRefresh } from "../use-resource.ts";
import { nameFor, toolFieldsOf, type AskedServer } from "./import-source.ts";

/** A tool that can be picked. */
interface Candidate {
  id: string;
  server: AskedServer;
  tool: FoundTool;
  name: string;
  isTaken: boolean;
}

function candidatesOf(servers: AskedServer[], prefix: string, taken: ReadonlySet<string>): Candidate[] {
  return servers.flatMap((server) =>
    (server.tools ?? []).map((tool) => {
      const name = nameFor(prefix, tool);
      return { id: `${server.name} ${tool.name}`, server, tool, name, isTaken: taken.has(name) };
    }),
  );
}

interface ServerToolsProps {
  server: AskedServer;
  candidates: Candidate[];
  picked: ReadonlySet<string>;
  pick: (ids: string[], isPicked: boolean) => void;
}

function ServerTools({ server, candidates, picked, pick }: ServerToolsProps) {
  const free = candidates.filter(({ isTaken }) => !isTaken).map(({ id }) => id);
  const isAll = free.length > 0 && free.every((id) => picked.has(id));
  return (
    <section className="found-server">
      <header>
        <h2>
          <code>{server.name}</code>
        </h2>
        {free.length > 1 && (
          <button type="button" className="link" onClick={() => pick(free, !isAll)}>
            {isAll ? "Pick none" : "Pick all"}
          </button>
        )}
      </header>
      {server.error !== undefined && <Notice tone="bad">{server.error}</Notice>}
      {server.tools?.length === 0 && <p className="hint">The server has no tools.</p>}
      <div className="tool-toggles">
        {candidates.map(({ id, tool, name, isTaken }) => (
          <Toggle
            key={id}
            checked={picked.has(id) && !isTaken}
            disabled={isTaken}
            onChange={(event) => pick([id], event.target.checked)}
            label={
              <>
                <code>{name}</code> {isTaken && <Badge tone="quiet">there already</Badge>}
                <small>{tool.description}</small>
              </>
            }
          />
        ))}
      </div>
    </section>
  );
}

/** Creates the picked tools, one after the other; `done` tells how far it is. */
async function importTools(candidates: Candidate[], done: (count: number) => void): Promise<void> {
  let count = 0;
  for (const { server, tool, name } of candidates) {
    await actions.createTool(toolFieldsOf(server, tool, name));
    count += 1;
    done(count);
  }
}

const turned = (before: ReadonlySet<string>, ids: string[], isPicked: boolean) =>
  new Set(isPicked ? [...before, ...ids] : [...before].filter((id) => !ids.includes(id)));

/** The tools that servers have, to be picked and imported. */
export function PickTools({ servers }: { servers: AskedServer[] }) {
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [prefix, setPrefix] = useState("");
  const [done, setDone] = useState(0);
  const known = useLoaded("all tools", readAllTools);
  const action = useAction();
  const refresh = useRefresh();
  const taken = new Set(known.data?.map(({ name }) => name));
  const candidates = candidatesOf(servers, prefix, taken);
  const chosen = candidates.filter(({ id, isTaken }) => picked.has(id) && !isTaken);
  if (servers.length === 0) return <Empty title="There is no server in these settings">{null}</Empty>;
  const run = async () => {
    try {
      await importTools(chosen, setDone);
    } finally {
      // Those that were made before one could not be are there.
      await refresh();
    }
    navigate("/tools");
  };
  return (
    <div className="pick-tools">
      {servers.map((server) => (
        <ServerTools
          key={server.name}
          server={server}
          candidates={candidates.filter((candidate) => candidate.server === server)}
          picked={picked}
          pick={(ids, isPicked) => setPicked((before) => turned(before, ids, isPicked))}
        />
      ))}
      <TextField
        label="Put before each name"
        className="code"
        maxLength={30}
        placeholder="files_"
        hint="For where two servers have tools of one name."
        value={prefix}
        onChange={(event) => setPrefix(event.target.value)}
      />
      {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
      <div className="actions">
        <button type="button" className="primary" disabled={action.isRunning || chosen.length === 0} onClick={() => action.run(run)}>
          {action.isRunning ? `Importing ${done} of ${chosen.length}…` : `Import ${countOf(chosen.length, "tool")}`}
        </button>
        <Link href="/tools" className="button">
          Cancel
        </Link>
      </div>
    </div>
  );
}
