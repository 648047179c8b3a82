/** Light, dark, or as the system has it: remembered by this browser. */
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const NAME = "theme";
const changes = new EventTarget();

function stored(): Theme {
  const theme = localStorage.getItem(NAME);
  return theme === "light" || theme === "dark" ? theme : "system";
}

/** Shows the page in the theme that was chosen last. */
export function applyTheme(): void {
  const theme = stored();
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

/** Chooses a theme. */
export function chooseTheme(theme: Theme): void {
  localStorage.setItem(NAME, theme);
  applyTheme();
  changes.dispatchEvent(new Event("change"));
}

const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");

function subscribe(listener: () => void): () => void {
  changes.addEventListener("change", listener);
  darkSystem.addEventListener("change", listener);
  return () => {
    changes.removeEventListener("change", listener);
    darkSystem.removeEventListener("change", listener);
  };
}

/** The chosen theme. */
export const useTheme = (): Theme => useSyncExternalStore(subscribe, stored);

/** Whether the page is dark now. */
export function useIsDark(): boolean {
  return useSyncExternalStore(subscribe, () =>
    stored() === "system" ? darkSystem.matches : stored() === "dark",
  );
}
