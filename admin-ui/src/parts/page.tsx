import { useEffect, useRef, type ReactNode } from "react";

interface PageProps {
  title: string;
  /** Stands over the title: where this belongs. */
  above?: ReactNode;
  actions?: ReactNode;
  /** How much room the view wants. */
  width?: "normal" | "full";
  children: ReactNode;
}

/**
 * A view: its title, what can be done here, and the rest. The title takes the focus, so that screen
 * readers read it.
 */
export function Page({ title, above, actions, width = "normal", children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · OpenAI Proxy Server`;
  }, [title]);
  useEffect(() => {
    // The first view leaves the focus where the browser puts it; `navigate` leaves a state behind.
    if (history.state !== null) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <main className={`page ${width}`} id="main">
      <header className="page-header">
        <div className="page-title">
          {above}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
        </div>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      {children}
    </main>
  );
}
