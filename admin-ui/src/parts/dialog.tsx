import { X } from "lucide-react";
import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { useAction } from "../use-action.ts";
import { Notice } from "./notice.tsx";

type Kind = "plain" | "wide" | "sheet";

/**
 * A native modal dialog: the browser keeps the focus inside, makes the rest inert and gives the
 * focus back. A sheet lies at the side of the page. `mustAnswer`: Escape does not close it.
 */
export function Dialog(props: {
  title: string;
  onClose: () => void;
  kind?: Kind;
  mustAnswer?: boolean;
  children: ReactNode;
}) {
  const { title, onClose, kind = "plain", mustAnswer = false, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  // Before the element goes away: a dialog that is closed later gives the focus to nobody.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Where no field asks for the focus, the browser would give it to the button that closes.
    if (document.activeElement?.getAttribute("aria-label") === "Close") heading.current?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      className={kind}
      onCancel={(event) => {
        event.preventDefault();
        if (!mustAnswer) onClose();
      }}
      onMouseDown={(event) => {
        // Beside the dialog is its backdrop; forms keep what was typed.
        if (event.target === event.currentTarget && kind === "plain" && !mustAnswer) onClose();
      }}
    >
      <div className="dialog-body">
        <header className="dialog-header">
          <h2 id={id} ref={heading} tabIndex={-1}>
            {title}
          </h2>
          {!mustAnswer && (
            <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
              <X aria-hidden="true" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something is destroyed, does it, and says why where it could not be done. */
export function ConfirmDialog(props: {
  title: string;
  children: ReactNode;
  verb: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}) {
  const action = useAction();
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{props.children}</p>
      {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
      <footer className="actions">
        <button type="button" onClick={props.onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="danger"
          disabled={action.isRunning}
          onClick={() => action.run(props.onConfirm)}
        >
          {action.isRunning ? "One moment…" : props.verb}
        </button>
      </footer>
    </Dialog>
  );
}
