import { useState } from "react";
import type { AuditEntry } from "../api-shapes.ts";
import { asWords, formatJson } from "../format.ts";
import { resources } from "../http.ts";
import { Badge, Empty, Loading } from "../parts/notice.tsx";
import { Moment, MoreRows, Table, type Column } from "../parts/table.tsx";
import { useRows } from "../use-resource.ts";

const ACTIONS = [
  "api_key.create",
  "api_key.update",
  "api_key.rotate",
  "api_key.delete",
  "tool.create",
  "tool.update",
  "tool.delete",
  "tool.import",
  "tool.change_approve",
  "tool.change_dismiss",
  "key_tools.replace",
  "key_tools.assign",
  "key_tools.unassign",
  "tool.try",
  "tool.check",
  "tool.discover",
  "conversation.read",
  "conversation.export",
  "conversation.delete",
  "server.restart",
  "session.sign_in",
  "session.sign_out",
  "session.refused",
  "session.throttled",
];
/** What is not as it should be. */
const BAD = new Set(["session.refused", "session.throttled"]);

const isEmpty = (changes: unknown) =>
  typeof changes !== "object" || changes === null || Object.keys(changes).length === 0;

function Changes({ entry }: { entry: AuditEntry }) {
  if (isEmpty(entry.changes)) return <span className="hint">–</span>;
  const names = Object.keys(entry.changes ?? {});
  return (
    <details className="changes">
      <summary>{names.map(asWords).join(", ")}</summary>
      <pre tabIndex={0}>{formatJson(entry.changes)}</pre>
    </details>
  );
}

const COLUMNS: Column<AuditEntry>[] = [
  { name: "When", cell: ({ createdAt }) => <Moment iso={createdAt} /> },
  {
    name: "What",
    cell: ({ action }) => (
      <Badge tone={BAD.has(action) ? "bad" : "quiet"}>{asWords(action.replace(".", " · "))}</Badge>
    ),
  },
  {
    name: "On",
    cell: ({ targetName, targetId }) => (
      <span className="cut">{targetName ?? targetId ?? "–"}</span>
    ),
  },
  { name: "Changes", cell: (entry) => <Changes entry={entry} /> },
  {
    name: "By",
    cell: ({ actor, clientAddress }) => (
      <span className="hint">{`${actor} · ${clientAddress}`}</span>
    ),
  },
];

/** Who changed what, newest first. */
export function AuditLog() {
  const [action, setAction] = useState("");
  const entries = useRows((cursor) =>
    resources.audit({ action: action === "" ? null : action, cursor }),
  );
  return (
    <section>
      <header className="section-header">
        <h2>Audit log</h2>
        <label className={action === "" ? "pill" : "pill set"}>
          <span aria-hidden="true">What</span>
          <select
            aria-label="What"
            value={action}
            onChange={(event) => setAction(event.target.value)}
          >
            <option value="">Anything</option>
            {ACTIONS.map((name) => (
              <option key={name} value={name}>
                {asWords(name.replace(".", " · "))}
              </option>
            ))}
          </select>
        </label>
      </header>
      <Loading from={entries} lines={5}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="Nothing yet">
              <p>
                Every change that is made here, or through the admin API, appears in this list, and
                who read what.
              </p>
            </Empty>
          ) : (
            <>
              <Table name="Audit log" columns={COLUMNS} rows={rows} />
              <MoreRows of={entries} />
            </>
          )
        }
      </Loading>
    </section>
  );
}
