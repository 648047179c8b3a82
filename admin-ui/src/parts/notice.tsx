import type { ReactNode } from "react";
import { HttpError } from "../http.ts";
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
export function Empty({
  title,
  icon,
  children,
}: {
  title: string;
  icon?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className="empty">
      {icon !== undefined && <span className="empty-icon">{icon}</span>}
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Whether the server is one that does not have this part of the API. */
const isAbsent = (error: Error) =>
  error instanceof HttpError &&
  error.status === 404 &&
  error.message.startsWith("There is nothing at");

function LoadFault({ error, reload }: { error: Error; reload: () => void }) {
  if (isAbsent(error)) return <Notice tone="quiet">This server does not offer this part.</Notice>;
  return (
    <Notice tone="bad">
      <span>{error.message}</span>
      <button type="button" onClick={reload}>
        Try again
      </button>
    </Notice>
  );
}

/** Grey bars in the place of what is being read. */
export function Skeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} />
      ))}
    </div>
  );
}

/** What was read, or that it is being read, or why it could not be. */
export function Loading<T>({
  from,
  lines,
  children,
}: {
  from: Loaded<T>;
  lines?: number;
  children: (data: T) => ReactNode;
}) {
  return (
    <>
      {from.error !== null && <LoadFault error={from.error} reload={from.reload} />}
      {from.data === null && from.error === null && (
        <Skeleton {...(lines === undefined ? {} : { lines })} />
      )}
      {from.data !== null && children(from.data)}
    </>
  );
}
