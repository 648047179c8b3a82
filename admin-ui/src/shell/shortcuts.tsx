import { useEffect, useState } from "react";
import { Dialog } from "../parts/dialog.tsx";
import { navigate } from "../router.tsx";
import { isForOthers } from "../use-keys.ts";
import { ROOMS } from "./rooms.ts";

/** How long after `g` the second key may come. */
const SEQUENCE_MS = 1200;

const ELSEWHERE: [string, string][] = [
  ["/", "Search"],
  ["j  k", "Next and previous row"],
  ["Enter", "Open"],
  ["e", "Fold and unfold all of a conversation"],
  ["r", "Raw JSON of a conversation"],
  ["?", "Show the keys"],
  ["Esc", "Close"],
];

/** Keys that work on every view. They come first: the second key of `g k` must not move a list. */
export function useShortcuts(showHelp: () => void): void {
  useEffect(() => {
    let goneAt = Number.NEGATIVE_INFINITY;
    const press = (event: KeyboardEvent) => {
      if (isForOthers(event)) return;
      const room =
        performance.now() - goneAt < SEQUENCE_MS
          ? ROOMS.find(({ key }) => key === event.key)
          : undefined;
      goneAt = event.key === "g" ? performance.now() : Number.NEGATIVE_INFINITY;
      const search =
        event.key === "/" ? document.querySelector<HTMLInputElement>("[data-search]") : null;
      if (room !== undefined) navigate(room.href);
      else if (search !== null) search.select();
      else if (event.key === "?") showHelp();
      else return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    window.addEventListener("keydown", press, { capture: true });
    return () => window.removeEventListener("keydown", press, { capture: true });
  }, [showHelp]);
}

function Keys({ keys }: { keys: string }) {
  return keys.split(" ").map((key) => (key === "" ? null : <kbd key={key}>{key}</kbd>));
}

/** What can be done with keys alone. */
export function ShortcutHelp({ onClose }: { onClose: () => void }) {
  const rows: [string, string][] = [
    ...ROOMS.map(({ key, name }): [string, string] => [`g ${key}`, name]),
    ...ELSEWHERE,
  ];
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="shortcuts">
        {rows.map(([keys, name]) => (
          <div key={keys}>
            <dt>{name}</dt>
            <dd>
              <Keys keys={keys} />
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** The state of the help: shown or not. */
export function useHelp(): { isShown: boolean; show: () => void; hide: () => void } {
  const [isShown, setIsShown] = useState(false);
  const [turns] = useState(() => ({ show: () => setIsShown(true), hide: () => setIsShown(false) }));
  return { isShown, ...turns };
}
