import { memo, useState } from "react";
import { firstLine } from "../format.ts";
import { Toggle } from "../parts/field.tsx";
import { Badge, Notice } from "../parts/notice.tsx";
import type { Candidate } from "./candidates.ts";
import { spellUnseen } from "./describe-change.ts";
import { HiddenNotice } from "./hidden-notice.tsx";
import type { AskedServer } from "./import-source.ts";

/** Longer descriptions are cut, with a button that shows all of it. */
const LONG_DESCRIPTION = 180;

/** Picks candidates by their ids, or does not any more. */
type Picking = (ids: string[], isPicked: boolean) => void;

interface RowProps {
  candidate: Candidate;
  isPicked: boolean;
  pick: Picking;
}

/** Drawn anew only when it changes: of a thousand, one is picked at a time. */
const FoundTool = memo(({ candidate: { id, tool, name, isTaken }, isPicked, pick }: RowProps) => {
  const [isOpen, setIsOpen] = useState(false);
  const description = spellUnseen(tool.description);
  const isLong = description.length > LONG_DESCRIPTION;
  return (
    <div className={isOpen ? "found-tool open" : "found-tool"}>
      <Toggle
        checked={isPicked && !isTaken}
        disabled={isTaken}
        onChange={(event) => pick([id], event.target.checked)}
        label={
          <>
            <code>{name}</code> {isTaken && <Badge tone="quiet">there already</Badge>}
            {name !== tool.name && (
              <span className="hint">
                {" "}
                at the server: <code>{tool.name}</code>
              </span>
            )}
            <small>
              {isLong && !isOpen ? `${firstLine(description, LONG_DESCRIPTION)}…` : description}
            </small>
          </>
        }
      />
      <HiddenNotice found={tool.hiddenText} />
      {isLong && (
        <button
          type="button"
          className="link"
          aria-expanded={isOpen}
          onClick={() => setIsOpen(!isOpen)}
        >
          {isOpen ? "Less" : "More"}
          <span className="unseen"> about {name}</span>
        </button>
      )}
    </div>
  );
});

interface FoundProps {
  server: AskedServer;
  /** What the search leaves of its tools. */
  shown: Candidate[];
  isSearched: boolean;
  picked: ReadonlySet<string>;
  pick: Picking;
}

/** The tools of one server, to be picked; or why there are none. */
export function FoundTools({ server, shown, isSearched, picked, pick }: FoundProps) {
  const free = shown.filter(({ isTaken }) => !isTaken).map(({ id }) => id);
  const isAll = free.length > 0 && free.every((id) => picked.has(id));
  const all = isSearched ? "all shown" : "all";
  return (
    <section className="found-server">
      <header>
        <h2>
          <code>{server.name}</code>
        </h2>
        {free.length > 1 && (
          <button type="button" className="link" onClick={() => pick(free, !isAll)}>
            {isAll ? (isSearched ? "Pick none of these" : "Pick none") : `Pick ${all}`}
          </button>
        )}
      </header>
      {server.error !== undefined && <Notice tone="bad">{server.error}</Notice>}
      {server.tools?.length === 0 && <p className="hint">The server has no tools.</p>}
      {shown.length === 0 && (server.tools ?? []).length > 0 && (
        <p className="hint">None of its tools is like that.</p>
      )}
      <div className="tool-toggles found">
        {shown.map((candidate) => (
          <FoundTool
            key={candidate.id}
            candidate={candidate}
            isPicked={picked.has(candidate.id)}
            pick={pick}
          />
        ))}
      </div>
    </section>
  );
}
