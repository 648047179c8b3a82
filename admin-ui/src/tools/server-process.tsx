import { RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import type { McpServer } from "../api-shapes.ts";
import { formatCount } from "../format.ts";
import { own } from "../own.ts";
import { Badge, Notice, type Tone } from "../parts/notice.tsx";
import { Moment } from "../parts/table.tsx";
import { Link } from "../router.tsx";

const TONES: Record<string, Tone> = { running: "good", starting: "warn", failed: "bad" };

/** What the operator's own tries are called where keys are named. */
const OPERATOR = "operator";

function Owner({ owner }: Pick<McpServer, "owner">) {
  if (owner === null) return "all keys";
  if (owner.id === OPERATOR) return "your own tries";
  return <Link href={`/keys?key=${owner.id}`}>{owner.name}</Link>;
}

type Fact = [name: string, value: ReactNode];

/** What is not known, or says nothing, is left out. */
const fact = (isShown: boolean, name: string, value: ReactNode): Fact[] =>
  isShown ? [[name, value]] : [];

const isAhead = (iso: string) => Date.parse(iso) > Date.now();

/** Whether its first call has yet to come: then it is nobody's either. */
export const isUntouched = ({ state, owner, calls, restarts, stderr }: McpServer) =>
  state === "stopped" && owner === null && calls + restarts + stderr.length === 0;

function factsOf({
  pid,
  startedAt,
  restarts,
  calls,
  callsInFlight,
  queued,
  retryAt,
  owner,
}: McpServer): Fact[] {
  return [
    ["For", <Owner key="owner" owner={owner} />],
    ...fact(pid !== undefined, "Process", pid),
    ...fact(startedAt !== undefined, "Started", <Moment key="started" iso={startedAt ?? ""} />),
    ["Restarts", formatCount(restarts)],
    ["Calls", formatCount(calls)],
    ...fact(
      callsInFlight + queued > 0,
      "Now",
      `${formatCount(callsInFlight)} running, ${formatCount(queued)} waiting`,
    ),
    ...fact(
      retryAt !== undefined && isAhead(retryAt),
      "Starts again",
      <Moment key="retry" iso={retryAt ?? ""} />,
    ),
  ];
}

interface ProcessProps {
  process: McpServer;
  /** Not there where its command's button does the same. */
  restart?: () => void;
  isBusy?: boolean;
}

/** One process of a server: how it does, for whom it runs, and the last lines that it wrote. */
export function ServerProcess({ process, restart, isBusy = false }: ProcessProps) {
  const { state, lastError, stderr, owner } = process;
  if (isUntouched(process))
    return (
      <p className="hint">
        It has not been started yet: that happens with the first call of a tool.
      </p>
    );
  const name =
    owner === null
      ? "for all keys"
      : owner.id === OPERATOR
        ? "for your own tries"
        : `for ${owner.name}`;
  return (
    <section className="server-process" aria-label={`Process ${name}`}>
      <div className="server-facts">
        <Badge tone={own(TONES, state) ?? "quiet"}>{state}</Badge>
        <dl>
          {factsOf(process).map(([fact, value]) => (
            <div key={fact}>
              <dt>{fact}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {restart !== undefined && (
          <button type="button" className="quiet" disabled={isBusy} onClick={restart}>
            <RotateCw aria-hidden="true" />
            Restart<span className="unseen"> the process {name}</span>
          </button>
        )}
      </div>
      {lastError !== undefined && lastError !== "" && (
        <Notice tone={state === "running" ? "quiet" : "bad"}>{lastError}</Notice>
      )}
      {stderr.length > 0 && (
        <details>
          <summary>Last lines of its output</summary>
          <pre tabIndex={0} aria-label={`Output of the process ${name}`}>
            {stderr.join("\n")}
          </pre>
        </details>
      )}
    </section>
  );
}
