import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { useAction } from "../use-action.ts";
import { Notice } from "./notice.tsx";

/**
 * A native modal dialog: the browser keeps the focus inside, makes the rest inert and gives the focus back.
 * `mustAnswer`: Escape does not close it.
 */
export function Dialog(props: { title: string; onClose: () => void; isWide?: boolean; mustAnswer?: boolean; children: ReactNode }) {
  const { title, onClose, isWide = false, mustAnswer = false, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before the element goes away: a dialog that is closed later gives the focus to nobody.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      className={isWide ? "wide" : ""}
      onCancel={(event) => {
        event.preventDefault();
        if (!mustAnswer) onClose();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
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
        <button type="button" className="danger" disabled={action.isRunning} onClick={() => action.run(props.onConfirm)}>
          {props.verb}
        </button>
      </footer>
    </Dialog>
  );
}
