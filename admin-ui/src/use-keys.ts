import { useEffect, useRef } from "react";

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable=true]";

/** Whether a key is meant for something else: a field, a dialog, the browser. */
export function isForOthers(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  // An editor is in a shadow tree: the path has what is really typed into.
  const [target] = event.composedPath();
  if (target instanceof Element && target.closest(TYPING) !== null) return true;
  return document.querySelector("dialog[open], [role=menu]") !== null;
}

/** Single keys that do something on this view, while nobody types. */
export function useKeys(keys: Record<string, () => void>): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const act = latest.current[event.key];
      if (act === undefined || isForOthers(event)) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
