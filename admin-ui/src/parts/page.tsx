import { useEffect, useRef, type ReactNode } from "react";

/** A view: its title, what can be done here, and the rest. The title takes the focus, so that screen readers read it. */
export function Page({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · OpenAI Proxy Server`;
  }, [title]);
  useEffect(() => {
    // The first view leaves the focus where the browser puts it; `navigate` leaves a state behind.
    if (history.state !== null) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <main className="page">
      <header className="page-header">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      {children}
    </main>
  );
}
