import { useRef, useState } from "react";

type Outcome = "untouched" | "copied" | "selected";

const LABELS: Record<Exclude<Outcome, "untouched">, string> = { copied: "Copied", selected: "Selected: press Ctrl+C" };
const SHOWN_MS = 2000;

/** Selects what an element shows: browsers have no clipboard for pages that came over plain http. */
function select(element: Element | null): void {
  if (element !== null) getSelection()?.selectAllChildren(element);
}

/** A text to take away, with a button that copies it. */
export function CopyBlock({ text, label, isSecret = false }: { text: string; label: string; isSecret?: boolean }) {
  const [outcome, setOutcome] = useState<Outcome>("untouched");
  const code = useRef<HTMLElement>(null);
  const copy = async () => {
    // Undefined on plain http, whatever its type says.
    if (window.isSecureContext) await navigator.clipboard.writeText(text);
    else select(code.current);
    setOutcome(window.isSecureContext ? "copied" : "selected");
    setTimeout(() => setOutcome("untouched"), SHOWN_MS);
  };
  const failed = () => {
    select(code.current);
    setOutcome("selected");
  };
  return (
    <div className={isSecret ? "copy-block secret" : "copy-block"}>
      <pre tabIndex={0} aria-label={label}>
        <code ref={code}>{text}</code>
      </pre>
      <button
        type="button"
        onClick={() => void copy().catch(failed)}
        aria-label={outcome === "untouched" ? `Copy ${label}` : LABELS[outcome]}
      >
        <span aria-live="polite">{outcome === "untouched" ? "Copy" : LABELS[outcome]}</span>
      </button>
    </div>
  );
}
