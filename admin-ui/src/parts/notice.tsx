import type { ReactNode } from "react";
import type { Loaded } from "../use-resource.ts";

/** How good the news is. */
export type Tone = "good" | "warn" | "bad" | "quiet";

/** A sentence that must not be missed. */
export function Notice({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}

/** A word with a colour; the word alone says it all. */
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

/** An empty list that says what comes next. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="empty">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** What was read, or that it is being read, or why it could not be. */
export function Loading<T>({ from, children }: { from: Loaded<T>; children: (data: T) => ReactNode }) {
  return (
    <>
      {from.error !== null && (
        <Notice tone="bad">
          <span>{from.error.message}</span>
          <button type="button" onClick={from.reload}>
            Try again
          </button>
        </Notice>
      )}
      {from.data === null && from.error === null && (
        <p className="loading" role="status">
          Loading…
        </p>
      )}
      {from.data !== null && children(from.data)}
    </>
  );
}
