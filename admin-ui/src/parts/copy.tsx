import { Check, Copy } from "lucide-react";
import { useRef, useState, type ReactNode, type RefObject } from "react";

type Outcome = "untouched" | "copied" | "selected" | "failed";

const LABELS: Record<Exclude<Outcome, "untouched">, string> = {
  copied: "Copied",
  selected: "Selected: press Ctrl+C",
  failed: "Could not copy",
};
const SHOWN_MS = 2000;

/**
 * Selects what an element shows: browsers have no clipboard for pages that came over plain http.
 */
function select(element: Element | null): Outcome {
  if (element === null) return "failed";
  getSelection()?.selectAllChildren(element);
  return "selected";
}

/** Copies a text, or selects the element that shows it where there is no clipboard. */
function useCopy(
  text: string,
  shownIn: RefObject<Element | null>,
): { outcome: Outcome; copy: () => void } {
  const [outcome, setOutcome] = useState<Outcome>("untouched");
  const show = (next: Outcome) => {
    setOutcome(next);
    setTimeout(() => setOutcome("untouched"), SHOWN_MS);
  };
  const copy = async () => {
    // Undefined on plain http, whatever its type says.
    if (!window.isSecureContext) return show(select(shownIn.current));
    await navigator.clipboard.writeText(text);
    return show("copied");
  };
  return { outcome, copy: () => void copy().catch(() => show(select(shownIn.current))) };
}

/** A text to take away, with a button that copies it. */
export function CopyBlock({
  text,
  label,
  isSecret = false,
}: {
  text: string;
  label: string;
  isSecret?: boolean;
}) {
  const code = useRef<HTMLElement>(null);
  const { outcome, copy } = useCopy(text, code);
  return (
    <div className={isSecret ? "copy-block secret" : "copy-block"}>
      <pre tabIndex={0} aria-label={label}>
        <code ref={code}>{text}</code>
      </pre>
      <button
        type="button"
        onClick={copy}
        aria-label={outcome === "untouched" ? `Copy ${label}` : LABELS[outcome]}
      >
        {outcome === "copied" ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
        <span aria-live="polite">{outcome === "untouched" ? "Copy" : LABELS[outcome]}</span>
      </button>
    </div>
  );
}

/** A button that copies something that is not shown. */
export function CopyButton({ text, children }: { text: string; children: ReactNode }) {
  const nothing = useRef<Element>(null);
  const { outcome, copy } = useCopy(text, nothing);
  return (
    <button type="button" onClick={copy}>
      {outcome === "copied" ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
      <span aria-live="polite">{outcome === "untouched" ? children : LABELS[outcome]}</span>
    </button>
  );
}
