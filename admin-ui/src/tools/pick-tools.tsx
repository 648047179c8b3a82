import { useCallback, useMemo, useState } from "react";
import { countOf, formatCount } from "../format.ts";
import { actions, readAllTools } from "../http.ts";
import { Choices, TextField } from "../parts/field.tsx";
import { Empty, Notice } from "../parts/notice.tsx";
import { Link, navigate } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useLoaded, useRefresh } from "../use-resource.ts";
import { candidatesOf, isLike, turned, type Candidate } from "./candidates.ts";
import { FoundTools } from "./found-tools.tsx";
import { toolFieldsOf, type AskedServer, type Naming } from "./import-source.ts";

/** From here on a list is searched, not read. */
const SEARCHED_FROM = 8;
/** How many failures are named. */
const NAMED_FAILURES = 5;

/** Why a tool could not be imported. */
interface Failure {
  name: string;
  why: string;
}

interface Progress {
  total: number;
  done: number;
  failures: Failure[];
}

const NOTHING: Progress = { total: 0, done: 0, failures: [] };

/**
 * Creates the picked tools, one after the other. One that cannot be made does not keep the others
 * from being made.
 */
async function importTools(
  candidates: Candidate[],
  tell: (progress: Progress) => void,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const [index, { server, tool, name }] of candidates.entries()) {
    tell({ total: candidates.length, done: index, failures: [] });
    try {
      await actions.createTool(toolFieldsOf(server, tool, name));
    } catch (error) {
      failures.push({ name, why: error instanceof Error ? error.message : String(error) });
    }
  }
  tell({ total: candidates.length, done: candidates.length, failures });
  return failures;
}

function Failures({ failures }: { failures: Failure[] }) {
  if (failures.length === 0) return null;
  return (
    <Notice tone="bad">
      <div>
        <p>
          {countOf(failures.length, "tool")} could not be imported. Those that could be are there.
        </p>
        <ul className="failures">
          {failures.slice(0, NAMED_FAILURES).map(({ name, why }) => (
            <li key={name}>
              <code>{name}</code>: {why}
            </li>
          ))}
        </ul>
        {failures.length > NAMED_FAILURES && <p>And {failures.length - NAMED_FAILURES} more.</p>}
      </div>
    </Notice>
  );
}

/** The button that imports what was picked, and what became of that. */
function ImportButtons({ chosen }: { chosen: Candidate[] }) {
  const [progress, setProgress] = useState(NOTHING);
  const action = useAction();
  const refresh = useRefresh();
  const run = async () => {
    const failures = await importTools(chosen, setProgress);
    await refresh();
    if (failures.length === 0) navigate("/tools");
  };
  return (
    <>
      {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
      {!action.isRunning && <Failures failures={progress.failures} />}
      <div className="actions">
        <button
          type="button"
          className="primary"
          disabled={action.isRunning || chosen.length === 0}
          onClick={() => action.run(run)}
        >
          {action.isRunning
            ? `Importing ${progress.done} of ${progress.total}…`
            : `Import ${countOf(chosen.length, "tool")}`}
        </button>
        <Link href="/tools" className="button">
          Cancel
        </Link>
      </div>
    </>
  );
}

const NAMES = [
  { value: "server", label: "With the server’s name" },
  { value: "tool", label: "As at the server" },
] as const;

/** What the tools will be called: two servers may have tools of one name. */
function NamingFields({
  naming,
  change,
}: {
  naming: Naming;
  change: (changes: Partial<Naming>) => void;
}) {
  return (
    <div className="field-row">
      <Choices label="Names" choices={NAMES} value={naming.by} onChange={(by) => change({ by })} />
      <TextField
        label="Put before each name"
        className="code"
        maxLength={30}
        placeholder="my_"
        value={naming.prefix}
        onChange={(event) => change({ prefix: event.target.value })}
      />
    </div>
  );
}

/** The tools that servers have, to be picked and imported. */
export function PickTools({ servers }: { servers: AskedServer[] }) {
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [naming, setNaming] = useState<Naming>({ by: "server", prefix: "" });
  const [search, setSearch] = useState("");
  const known = useLoaded("all tools", readAllTools);
  const candidates = useMemo(
    () => candidatesOf(servers, naming, new Set(known.data?.map(({ name }) => name))),
    [servers, naming, known.data],
  );
  const pick = useCallback(
    (ids: string[], isPicked: boolean) => setPicked((before) => turned(before, ids, isPicked)),
    [],
  );
  const chosen = candidates.filter(({ id, isTaken }) => picked.has(id) && !isTaken);
  const shown = candidates.filter((candidate) => isLike(candidate, search));
  if (servers.length === 0)
    return <Empty title="There is no server in these settings">{null}</Empty>;
  return (
    <div className="pick-tools">
      {candidates.length >= SEARCHED_FROM && (
        <TextField
          label="Search these tools"
          type="search"
          hint={`${formatCount(shown.length)} of ${countOf(candidates.length, "tool")}, ${formatCount(chosen.length)} picked.`}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      )}
      {servers.map((server) => (
        <FoundTools
          key={server.name}
          server={server}
          shown={shown.filter((candidate) => candidate.server === server)}
          isSearched={search.trim() !== ""}
          picked={picked}
          pick={pick}
        />
      ))}
      <NamingFields naming={naming} change={(changes) => setNaming({ ...naming, ...changes })} />
      <ImportButtons chosen={chosen} />
    </div>
  );
}
