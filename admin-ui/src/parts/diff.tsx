import { useMemo, useState } from "react";
import { countOf } from "../format.ts";
import { diffLines, withoutFar, type DiffLine } from "./line-diff.ts";

/** How many lines that stayed the same are shown beside those that did not. */
const CONTEXT = 3;

const TAGS = { same: "span", removed: "del", added: "ins" } as const;
const SIGNS = { same: " ", removed: "−", added: "+" } as const;
const WORDS = { same: "", removed: "Removed: ", added: "Added: " } as const;

function Line({ line: { kind, pieces } }: { line: DiffLine }) {
  const Tag = TAGS[kind];
  return (
    <Tag className={`diff-line ${kind}`}>
      <span className="sign" aria-hidden="true">
        {SIGNS[kind]}
      </span>
      <span className="diff-text">
        <span className="unseen">{WORDS[kind]}</span>
        {pieces.map(({ text, start, isChanged }) =>
          isChanged ? <mark key={start}>{text}</mark> : <span key={start}>{text}</span>,
        )}
      </span>
    </Tag>
  );
}

/**
 * Two versions of a text: a sign and a colour for each line that went or came, marks for the words.
 */
export function Diff({ label, from, to }: { label: string; from: string; to: string }) {
  const [isWhole, setIsWhole] = useState(false);
  // The view may be drawn anew with each letter that is typed beside it.
  const lines = useMemo(() => diffLines(from, to), [from, to]);
  if (from === to)
    return (
      <p className="hint">
        {label}: <span>unchanged</span>
      </p>
    );
  const parts = isWhole ? [{ lines }] : withoutFar(lines, CONTEXT);
  return (
    <section className="diff" aria-label={`Change of ${label.toLowerCase()}`}>
      <header>
        <h3>{label}</h3>
        {parts.length > 1 || isWhole ? (
          <button
            type="button"
            className="link"
            aria-expanded={isWhole}
            onClick={() => setIsWhole(!isWhole)}
          >
            {isWhole ? "Show changes only" : "Show all lines"}
          </button>
        ) : null}
      </header>
      <pre tabIndex={0} aria-label={label}>
        {parts.map((part) =>
          "lines" in part ? (
            part.lines.map((line) => <Line key={line.place} line={line} />)
          ) : (
            <span key={part.place} className="diff-skipped">
              {countOf(part.skipped, "unchanged line")}
            </span>
          ),
        )}
      </pre>
    </section>
  );
}
